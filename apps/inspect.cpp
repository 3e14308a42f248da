/// Shows what a model file holds.
#include <fmt/format.h>

#include <filesystem>

#include "apps/cli/command_line.h"
#include "apps/cli/exit_code.h"
#include "apps/cli/model_options.h"
#include "apps/inspect/description.h"

using namespace trifold;
using namespace trifold::apps;

namespace {

int run(int argc, char** argv) {
  CommandLine line("inspect", "Shows what a model file holds and what the network costs.",
                   {"inspect model.safetensors", "inspect model.safetensors --json",
                    "inspect model.safetensors --resolution 24"});
  ModelOptions model_options;
  bool as_json = false;
  OptionSet& app = line.app();
  app.add_option("file", model_options.file, "The model file")->required()->type_name("FILE");
  model_options.add_to(app);
  app.add_flag("--json", as_json, "Prints the description as JSON")->configurable(false);
  if (!line.parse(argc, argv)) return exit_ok;

  const nn::Model model = model_options.load();
  const auto bytes = static_cast<std::int64_t>(std::filesystem::file_size(model_options.file));
  const nlohmann::json description = describe(model, bytes);
  fmt::print("{}\n", as_json ? description.dump(2) : description_text(description));
  return exit_ok;
}

}  // namespace

int main(int argc, char** argv) {
  return run_app([&] { return run(argc, argv); });
}
