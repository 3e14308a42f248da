/// A small reader of HTML and XML for the tests: it knows tags, attributes and nesting, no more.
#pragma once

#include <cctype>
#include <set>
#include <string>
#include <vector>

namespace trifold::apps::report {

/// "" if every element of `text` is closed in order and every attribute is quoted; else what is
/// wrong. A '<' or '&' that escaped nobody's notice is an error as well.
inline std::string markup_defect(const std::string& text) {
  const std::set<std::string> childless = {"meta"};
  std::vector<std::string> open;
  std::size_t i = 0;
  const auto at = [&](std::size_t k) { return " at " + text.substr(k, 40); };
  while (i < text.size()) {
    if (text[i] == '&') {
      std::size_t end = i + 1;
      while (end < text.size() &&
             (std::isalnum(static_cast<unsigned char>(text[end])) != 0 || text[end] == '#')) {
        ++end;
      }
      if (end == i + 1 || end >= text.size() || text[end] != ';') return "bare &" + at(i);
      i = end + 1;
      continue;
    }
    if (text[i] != '<') {
      ++i;
      continue;
    }
    if (text.compare(i, 9, "<!DOCTYPE") == 0) {
      i = text.find('>', i) + 1;
      continue;
    }
    const std::size_t start = i++;
    const bool closing = text[i] == '/';
    if (closing) ++i;
    std::string name;
    while (i < text.size() && std::isalnum(static_cast<unsigned char>(text[i])) != 0) {
      name += text[i++];
    }
    if (name.empty()) return "bare <" + at(start);
    char quote = 0;
    const std::size_t inside = i;
    while (i < text.size() && (text[i] != '>' || quote != 0)) {
      if (text[i] == '<') return "< inside a tag" + at(start);
      if (text[i] == '=' && quote == 0 && text[i + 1] != '"') return "no quote" + at(start);
      if (text[i] == '"') quote = quote == 0 ? '"' : '\0';
      ++i;
    }
    if (i >= text.size()) return "unfinished tag" + at(start);
    const bool empty_element = i > inside && text[i - 1] == '/';
    ++i;
    if (closing) {
      if (open.empty() || open.back() != name) return "wrong end of " + name + at(start);
      open.pop_back();
    } else if (!empty_element && childless.count(name) == 0) {
      open.push_back(name);
    }
  }
  return open.empty() ? "" : "never closed: " + open.back();
}

inline std::size_t occurrences(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t i = text.find(part); i != std::string::npos; i = text.find(part, i + 1)) ++count;
  return count;
}

}  // namespace trifold::apps::report
