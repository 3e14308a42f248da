#include "apps/prune/stage_times.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/file_io.h"
#include "kernels/runtime/error.h"

namespace trifold::apps {

using nlohmann::json;

StageTimes::StageTimes(std::filesystem::path file) : file_(std::move(file)) {
  if (!std::filesystem::exists(file_)) return;
  constexpr std::size_t most_bytes = std::size_t{1} << 20;  // far more than there are stages
  const json document = json::parse(engine::read_file(file_, most_bytes), nullptr,
                                    /*allow_exceptions=*/false);
  bool good = document.is_array();
  for (const json& entry : document) {
    good = good && entry.is_object() && entry.contains("stage") && entry["stage"].is_string() &&
           entry.contains("seconds") && entry["seconds"].is_number();
    if (!good) break;
    entries_.push_back({entry["stage"], entry["seconds"]});
  }
  require<FileError>(good, "{}: the times of the stages are damaged; remove the file",
                     file_.string());
}

void StageTimes::start(const std::string& stage) {
  stage_ = stage;
  counted_until_ = Clock::now();
  if (std::ranges::find(entries_, stage, &Entry::stage) == entries_.end()) {
    entries_.push_back({stage, 0.0});
  }
}

void StageTimes::save() {
  const auto now = Clock::now();
  std::ranges::find(entries_, stage_, &Entry::stage)->seconds +=
      std::chrono::duration<double>(now - counted_until_).count();
  counted_until_ = now;
  if (file_.empty()) return;
  json document = json::array();
  for (const Entry& entry : entries_) {
    document.push_back({{"stage", entry.stage}, {"seconds", entry.seconds}});
  }
  engine::write_file_atomically(file_, document.dump(1) + "\n");
}

}  // namespace trifold::apps
