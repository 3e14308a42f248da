#include <system_error>

#include "apps/report/report.h"
#include "engine/file_io.h"
#include "kernels/runtime/error.h"

namespace trifold::apps::report {

void write_report(const Report& report, const std::filesystem::path& folder) {
  // All is composed before anything is written, so that a report that does not fit leaves no trace.
  const std::string html = to_html(report), markdown = to_markdown(report), json = to_json(report);
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  require<engine::WriteError>(!failure,
                              "{}: cannot make the folder for the report ({}); choose another",
                              folder.string(), failure.message());
  engine::write_file_atomically(folder / "report.html", html);
  engine::write_file_atomically(folder / "report.md", markdown);
  engine::write_file_atomically(folder / "report.json", json);
}

}  // namespace trifold::apps::report
