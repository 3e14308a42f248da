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

// What an option's value names, by its type: FILE, DIR or DATA, else "".
std::string path_kind(const CLI::Option& option) {
  for (const char* known : {"FILE", "DIR", "DATA"}) {
    if (option.get_type_name().starts_with(known)) return known;
  }
  return "";
}

// A shell's function for a program, such as _trifold_prune: not all shells take - in a name.
std::string function_name(std::string program) {
  std::ranges::replace(program, '-', '_');
  return "_" + program;
}

// `text` with a backslash in front of each of `special`.
std::string backslashed(const std::string& text, const std::string& special) {
  std::string result;
  for (const char c : text) {
    if (special.find(c) != std::string::npos) result += '\\';
    result += c;
  }
  return result;
}

// As much of a help text as has its place beside an option in a menu.
std::string beginning(const std::string& help) {
  constexpr std::size_t most = 72;
  const std::string text = help.substr(0, help.find_first_of(";\n"));
  if (text.size() <= most) return text;
  const std::string cut = text.substr(0, text.rfind(' ', most));
  return cut.substr(0, cut.find_last_not_of(" ,:(") + 1) + "...";
}

// A word for zsh. Between single quotes nothing but these is special there.
std::string zsh_quoted(const std::string& text) {
  std::string quoted;
  for (const char c : text) quoted += c == '\'' ? R"('\'')" : std::string(1, c);
  return "'" + quoted + "'";
}

// The part ":MESSAGE:ACTION" of what zsh's _arguments takes.
std::string zsh_value(const CLI::Option& option, const std::string& message) {
  const std::string words = choices(option), named = path_kind(option);
  const std::string action = !words.empty()    ? "(" + words + ")"
                             : named == "FILE" ? "_files"
                             : named == "DIR"  ? "_files -/"
                             : named == "DATA" ? R"({compset -P "*\:" && _files -/})"
                                               : " ";
  return ":" + backslashed(message, "\\:") + ":" + action;
}

// A word for fish, which knows both of these behind a backslash between single quotes.
std::string fish_quoted(const std::string& text) { return "'" + backslashed(text, "\\'") + "'"; }

// The flags of fish's complete for an option's value.
std::string fish_value(const CLI::Option& option) {
  const std::string words = choices(option), named = path_kind(option);
  if (!words.empty()) return " -x -a " + fish_quoted(words);
  if (named == "DIR") return " -x -a '(__fish_complete_directories)'";
  return named.empty() ? " -x" : " -r -F";
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
  const std::string function = function_name(name);
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

std::string zsh_completion(const CLI::App& app, const std::string& name) {
  std::string specifications;
  for (const CLI::Option* option : all_options(app)) {
    std::string one;
    if (option->get_lnames().empty()) {
      one = zsh_value(*option, option->get_name(true));
    } else {
      const bool a_flag = option->get_expected_min() == 0;
      one = fmt::format("--{}{}[{}]{}", option->get_lnames().front(), a_flag ? "" : "=",
                        backslashed(beginning(option->get_description()), "\\[]"),
                        a_flag ? "" : zsh_value(*option, option->get_type_name()));
    }
    specifications += " \\\n    " + zsh_quoted(one);
  }
  // The file is a function's body to zsh, where it is found by its name, and else a script.
  const std::string function = function_name(name);
  return fmt::format(
      "#compdef {1}\n"
      "{0}() {{\n"
      "  _arguments -S{2}\n"
      "}}\n"
      "if [[ $funcstack[1] == _{1} ]]; then\n"
      "  {0} \"$@\"\n"
      "else\n"
      "  compdef {0} {3} {1}\n"
      "fi\n",
      function, name, specifications, app.get_name());
}

std::string fish_completion(const CLI::App& app, const std::string& name) {
  const std::string complete = fmt::format("complete -c {} -c {}", app.get_name(), name);
  std::string lines;
  bool files = false;
  for (const CLI::Option* option : all_options(app)) {
    const std::string words = choices(*option);
    if (!option->get_lnames().empty()) {
      const bool a_flag = option->get_expected_min() == 0;
      lines += fmt::format("{} -l {}{} -d {}\n", complete, option->get_lnames().front(),
                           a_flag ? "" : fish_value(*option),
                           fish_quoted(beginning(option->get_description())));
    } else if (!words.empty()) {
      const std::string given = "__fish_seen_subcommand_from " + words;
      lines += fmt::format("{} -n {} -a {}\n", complete, fish_quoted("not " + given),
                           fish_quoted(words));
    } else if (!path_kind(*option).empty()) {
      files = true;
    }
  }
  return (files ? "" : complete + " -f\n") + lines;
}

}  // namespace trifold::apps
