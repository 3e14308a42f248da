#include "apps/cli/help_pages.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "apps/cli/command_line.h"

namespace trifold::apps {
namespace {

std::vector<const CLI::Option*> all_options(const CLI::App& app) {
  return app.get_options([](const CLI::Option*) { return true; });
}

// troff takes backslashes, and points and quotes at the beginning of a line, for its own.
std::string troff(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    const bool begins = escaped.empty() || escaped.back() == '\n';
    if (begins && (c == '.' || c == '\'')) escaped += "\\&";
    escaped += c == '\\' ? "\\e" : c == '-' ? "\\-" : c == '"' ? "\\(dq" : std::string(1, c);
  }
  return escaped;
}

std::string default_of(const CLI::Option& option) {
  const std::string value = option.get_default_str();
  const bool a_flag = option.get_expected_min() == 0;
  return value.empty() || value == "\"\"" || a_flag ? "" : "=" + value;
}

// The {a,b} of a type's name, as words.
std::string choices(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  if (type.find("BOOLEAN") != std::string::npos) return "true false";
  const std::size_t begin = type.find('{'), end = type.find('}');
  if (begin == std::string::npos || end == std::string::npos || end < begin) return "";
  std::string words = type.substr(begin + 1, end - begin - 1);
  std::ranges::replace(words, ',', ' ');
  return words;
}

}  // namespace

std::string man_page(const CLI::App& app, const std::string& name, const std::string& summary,
                     const std::vector<std::string>& examples) {
  std::string title = name, positionals;
  std::ranges::transform(title, title.begin(),
                         [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  std::string options;
  for (const CLI::Option* option : all_options(app)) {
    const bool positional = option->get_lnames().empty();
    if (positional) positionals += " " + option->get_name(true);
    const std::string type = option->get_type_name();
    options +=
        fmt::format(".TP\n.BR {} \" {}{}\"\n{}{}\n", troff(option->get_name(positional)),
                    troff(type), troff(default_of(*option)), troff(option->get_description()),
                    option->get_required() ? " (required)" : "");
  }
  std::string page = fmt::format(
      ".TH {} 1 \"\" \"Trifold {}\" \"User Commands\"\n.SH NAME\n{} \\- {}\n.SH SYNOPSIS\n"
      ".B {}\n[OPTIONS]{}\n.SH DESCRIPTION\n{}\n.SH OPTIONS\n{}.SH EXAMPLES\n.nf\n",
      title, version(), troff(name), troff(summary.substr(0, summary.find_first_of(".:;"))),
      troff(name), troff(positionals), troff(summary), options);
  // They begin with the name that the program has in its tree.
  for (const std::string& example : examples) {
    page += troff(name + example.substr(std::min(example.size(), app.get_name().size()))) + "\n";
  }
  return page + fmt::format(
                    ".fi\n.SH EXIT STATUS\n0 done, 1 failed at run time, 2 usage or configuration, "
                    "3 bad input file, 4 the target can't be met, 5 training diverged, 6 a result "
                    "differs from what was recorded of it, 75 stopped after a checkpoint.\n"
                    ".SH ENVIRONMENT\nTRIFOLD_NAME\n is the option {}.\n",
                    troff("--name"));
}

std::string bash_completion(const CLI::App& app, const std::string& name) {
  std::string names, values, positional;
  for (const CLI::Option* option : all_options(app)) {
    const std::string words = choices(*option);
    if (option->get_lnames().empty()) {
      positional += positional.empty() ? words : " " + words;
      continue;
    }
    const std::string flag = "--" + option->get_lnames().front();
    names += (names.empty() ? "" : " ") + flag;
    if (option->get_expected_min() == 0) continue;  // it takes no value
    values += words.empty()
                  ? fmt::format("    {}) return ;;\n", flag)
                  : fmt::format("    {}) COMPREPLY=($(compgen -W '{}' -- \"$word\")); return ;;\n",
                                flag, words);
  }
  std::string function = "_" + name;
  std::ranges::replace(function, '-', '_');
  return fmt::format(
      "{}() {{\n"
      "  local word=${{COMP_WORDS[COMP_CWORD]}}\n"
      "  COMPREPLY=()\n"
      "  case ${{COMP_WORDS[COMP_CWORD - 1]}} in\n"
      "{}"
      "  esac\n"
      "  case $word in\n"
      "    -*) COMPREPLY=($(compgen -W '{}' -- \"$word\")) ;;\n"
      "    *) COMPREPLY=($(compgen -W '{}' -- \"$word\")) ;;\n"
      "  esac\n"
      "}}\n"
      "complete -o bashdefault -o default -F {} {} {}\n",
      function, values, names, positional, function, app.get_name(), name);
}

}  // namespace trifold::apps
