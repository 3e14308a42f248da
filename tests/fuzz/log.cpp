/// metrics.jsonl of a run that goes on.
#include "apps/cli/run_log.h"
#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trifold;
  static const fuzz::InputFolder folder;
  const fuzz::InputFile file(fuzz::text_of(data, size));
  folder.link("metrics.jsonl", file);
  fuzz::expect_sentence([&] { apps::RunLog(folder.path()).keep_through(3); });
  return 0;
}
