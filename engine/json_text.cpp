#include "engine/json_text.h"

#include "engine/file_io.h"
#include "kernels/runtime/error.h"

namespace trifold::engine {

using nlohmann::json;

json parse_json(std::string_view text, const std::string& where) {
  const auto bound_depth = [&where](int depth, json::parse_event_t event, const json&) {
    const bool opens =
        event == json::parse_event_t::object_start || event == json::parse_event_t::array_start;
    require<FileError>(!opens || depth < max_json_depth,
                       "{}: it nests more than {} lists or objects", where, max_json_depth);
    return true;
  };
  require<FileError>(text.size() <= max_json_bytes, "{}: it has {} bytes, more than {}", where,
                     text.size(), max_json_bytes);
  try {
    return json::parse(text.begin(), text.end(), bound_depth);
  } catch (const json::parse_error& e) {
    throw FileError(fmt::format("{}: it is not JSON at its byte {}", where, e.byte));
  } catch (const json::exception& e) {  // a number beyond the range of double
    throw FileError(fmt::format("{}: {}", where, problem(e)));
  }
}

json read_json(const std::filesystem::path& path) {
  return parse_json(read_file(path, max_json_bytes), path.string());
}

std::string problem(const json::exception& error) {
  const std::string_view text = error.what();
  const std::size_t end = text.find("] ");
  return std::string(text.substr(end == text.npos ? 0 : end + 2));
}

}  // namespace trifold::engine
