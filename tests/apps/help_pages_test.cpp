/// What shells are given to complete options from; tests/check_completion.sh has them do it.
#include "apps/cli/help_pages.h"

#include <gtest/gtest.h>

namespace trifold::apps_test {
namespace {

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

class HelpPages : public ::testing::Test {
 protected:
  HelpPages() {
    app.name("prune");
    app.set_help_flag();
    app.add_option("--odd", value, R"(It's [such] a \ of $(it) "and" `so`; this is left out)")
        ->type_name("HOST:PORT");
    app.add_option("--long", value,
                   "Words that are more than the menu of a shell has room for, and so are cut, "
                   "which this one is")
        ->type_name("DIR");
    app.add_option("--model", value, "A file")->type_name("FILE.json");
    app.add_option("--data", value, "Images")->type_name("DATA");
    app.add_option("--crop", value, "One of two")
        ->check(CLI::IsMember({"pad", "resized"}))
        ->type_name("NAME");
    app.add_flag("--json", flag, "Prints JSON");
    app.add_option("stage", value, "What to do")->check(CLI::IsMember({"run", "plan"}));
  }

  CLI::App app;
  std::string value;
  bool flag = false;
};

TEST_F(HelpPages, QuoteForZsh) {
  const std::string script = apps::zsh_completion(app, "trifold-prune");
  EXPECT_TRUE(script.starts_with("#compdef trifold-prune\n")) << script;
  for (
      const char* line :
      {R"(    '--odd=[It'\''s \[such\] a \\ of $(it) "and" `so`]:HOST\:PORT: ' \)",
       R"(    '--long=[Words that are more than the menu of a shell has room for, and so are...]:DIR:_files -/' \)",
       R"(    '--model=[A file]:FILE.json:_files' \)",
       R"(    '--data=[Images]:DATA:{compset -P "*\:" && _files -/}' \)",
       R"(    '--crop=[One of two]:NAME\:{pad,resized}:(pad resized)' \)",
       R"(    '--json[Prints JSON]' \)", R"(    ':stage:(run plan)')",
       "  compdef _trifold_prune prune trifold-prune"}) {
    EXPECT_TRUE(has_line(script, line)) << line << "\nisn't in\n" << script;
  }
}

TEST_F(HelpPages, QuoteForFish) {
  const std::string script = apps::fish_completion(app, "trifold-prune");
  for (
      const std::string line :
      {R"( -f)", R"( -l odd -x -d 'It\'s [such] a \\ of $(it) "and" `so`')",
       R"( -l long -x -a '(__fish_complete_directories)' -d 'Words that are more than the menu of a shell has room for, and so are...')",
       R"( -l model -r -F -d 'A file')", R"( -l data -r -F -d 'Images')",
       R"( -l crop -x -a 'pad resized' -d 'One of two')", R"( -l json -d 'Prints JSON')",
       R"( -n 'not __fish_seen_subcommand_from run plan' -a 'run plan')"}) {
    EXPECT_TRUE(has_line(script, "complete -c prune -c trifold-prune" + line))
        << line << "\nisn't in\n"
        << script;
  }
  // Where a program takes a file by itself, files are completed beside the options.
  app.add_option("file", value, "The model")->type_name("FILE");
  EXPECT_FALSE(has_line(apps::fish_completion(app, "trifold-prune"),
                        "complete -c prune -c trifold-prune -f"));
}

}  // namespace
}  // namespace trifold::apps_test
