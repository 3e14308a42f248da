/// JSON of files, which may be damaged or hostile.
#pragma once

#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace trifold::engine {

/// Lists and objects inside each other in the JSON of a file: far more than this project writes. The
/// JSON library copies, compares and writes values by recursion, for which deep ones take the stack.
inline constexpr int max_json_depth = 64;
/// The longest text: parsed, it can take 32 times its bytes.
inline constexpr std::size_t max_json_bytes = std::size_t{1} << 26;

/// Parses a text. `where` names the file and the place in it.
/// Errors    FileError, starting with `where`: not JSON, longer than max_json_bytes, or nested
///           deeper than max_json_depth.
nlohmann::json parse_json(std::string_view text, const std::string& where);
/// The same for the whole of a file.
/// Errors    FileError: as above, or the file can't be read.
nlohmann::json read_json(const std::filesystem::path& path);

/// What is wrong with a value, as a part of a sentence: "key 'side' not found". The library's own texts
/// begin with the name of a class.
std::string problem(const nlohmann::json::exception& error);

}  // namespace trifold::engine
