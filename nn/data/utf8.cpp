#include "nn/data/utf8.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace trifold::nn {

bool is_utf8(const std::string& text) {
  try {
    (void)nlohmann::json(text).dump();
    return true;
  } catch (const nlohmann::json::type_error&) {
    return false;
  }
}

std::string as_utf8(const std::string& text) {
  if (is_utf8(text)) return text;
  std::string escaped;
  for (const char c : text) {
    const bool printable = c >= ' ' && c <= '~';
    escaped +=
        printable ? std::string(1, c) : fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  return escaped;
}

}  // namespace trifold::nn
