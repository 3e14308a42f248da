/// Names of files may be any bytes, but models, reports and other JSON hold UTF-8 alone.
#pragma once

#include <string>

namespace trifold::nn {

bool is_utf8(const std::string& text);

/// `text` itself where it is UTF-8; else with \xHH for each byte that is not printable ASCII.
std::string as_utf8(const std::string& text);

}  // namespace trifold::nn
