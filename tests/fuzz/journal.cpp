/// The records of a pruning run: the files of its journal, of today's form and of the old one, and the
/// steps as JSON with the right checksum.
#include "apps/prune/journal.h"

#include "apps/prune/old_journal.h"
#include "apps/prune/stage_times.h"
#include "tests/fuzz/input.h"

namespace {

using namespace trifold;

template <class... Results>
void read_as(const nlohmann::json& record) {
  const auto read = [&]<class Result>(Result* /*type*/) {
    try {
      record.get<Result>();
    } catch (const nlohmann::json::exception&) {  // which Journal::at() makes a sentence of
    }
  };
  (read(static_cast<Results*>(nullptr)), ...);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  const fuzz::InputFile file(text);
  const nlohmann::json settings = {{"side", 8}};
  fuzz::expect_sentence([&] {
    const fuzz::InputFolder folder;
    folder.link("journal.json", file);
    apps::split_old_journal(folder.path());
    apps::Journal(folder.path(), settings);
  });
  fuzz::expect_sentence([&] {
    static const fuzz::InputFolder begun;
    if (!std::filesystem::exists(begun.path() / "steps")) {
      apps::write_settings(begun.path(), settings);
    }
    begun.link("steps/plan.json", file);
    apps::Journal(begun.path(), settings);
  });
  fuzz::expect_sentence([&] { apps::StageTimes(file.path()); });
  fuzz::expect_sentence([&] {
    read_as<apps::PlanResult, apps::BaseResult, apps::DataPoint, apps::FitResult, apps::Solution,
            apps::ApplyResult, apps::FinetuneResult, apps::TrainingRecord, apps::ComparisonResult>(
        engine::parse_json(text, "input"));
  });
  return 0;
}
