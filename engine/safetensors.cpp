#include "engine/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "engine/file_io.h"
#include "kernels/runtime/error.h"

namespace trifold::engine {
namespace {

using nlohmann::json;

static_assert(std::endian::native == std::endian::little, "elements are stored little-endian");

constexpr std::int64_t prefix_bytes = 8;
constexpr std::int64_t max_header_bytes = 100'000'000;  // The limit of the reference reader.
constexpr int max_rank = 16;
constexpr const char* metadata_key = "__metadata__";

struct TypeName {
  StoredType type;
  std::string_view name;
  std::int64_t bytes;
};
constexpr std::array<TypeName, 7> type_names{{{StoredType::f64, "F64", 8},
                                              {StoredType::f32, "F32", 4},
                                              {StoredType::f16, "F16", 2},
                                              {StoredType::bf16, "BF16", 2},
                                              {StoredType::i64, "I64", 8},
                                              {StoredType::i32, "I32", 4},
                                              {StoredType::u8, "U8", 1}}};

const TypeName& entry(StoredType type) {
  return type_names.at(static_cast<std::size_t>(type));  // The table is in the enum's order.
}

// A text from a file in quotes, escaped and cut, so that it can't break an error sentence.
std::string in_quotes(std::string_view text) {
  constexpr std::size_t longest = 80;
  std::string escaped = json(text).dump(-1, ' ', true, json::error_handler_t::replace);
  return escaped.size() <= longest ? escaped : escaped.substr(0, longest) + "...\"";
}

template <class... Args>
void require_file(bool condition, const std::filesystem::path& path,
                  fmt::format_string<Args...> text, Args&&... args) {
  if (!condition) {
    throw FileError(
        fmt::format("{}: {}", path.string(), fmt::format(text, std::forward<Args>(args)...)));
  }
}

// Lets the parser build only what a header may hold: an object of objects, whose members are
// scalars or short arrays of scalars, without duplicate keys. So hostile nesting ends at once, and
// the parsed header is not much larger than its text.
class HeaderFilter {
 public:
  explicit HeaderFilter(const std::filesystem::path& path) : path_(path) {}

  bool operator()(int depth, json::parse_event_t event, json& parsed) {
    using Event = json::parse_event_t;
    const auto level = static_cast<std::size_t>(depth);
    switch (event) {
      case Event::object_start:
        require_file(depth < 2, path_, "the header nests objects deeper than the format does");
        keys_[level].clear();
        break;
      case Event::array_start:
        require_file(depth == 2, path_, "the header has an array where an object must be");
        elements_ = 0;
        break;
      case Event::key: {
        const auto& key = parsed.get_ref<const std::string&>();
        require_file(keys_[level - 1].insert(key).second, path_, "the header has the name {} twice",
                     in_quotes(key));
        break;
      }
      case Event::value:
        require_file(depth >= 2, path_, "the header has a plain value where an object must be");
        require_file(depth < 3 || ++elements_ <= max_rank, path_,
                     "the header has an array of more than {} numbers", max_rank);
        break;
      case Event::object_end:
      case Event::array_end:
        break;
    }
    return true;
  }

 private:
  const std::filesystem::path& path_;
  std::array<std::set<std::string>, 2> keys_;  // of the header and of the member being read
  int elements_ = 0;
};

json parse_header(const std::filesystem::path& path, const std::vector<char>& text) {
  require_file(!text.empty() && text.front() == '{', path,
               "the header does not begin with '{{'; this is not a safetensors file");
  // By reference, because the parser takes its callback by value and may copy it.
  HeaderFilter filter(path);
  try {
    return json::parse(text.begin(), text.end(), std::ref(filter));
  } catch (const json::parse_error& error) {
    throw FileError(
        fmt::format("{}: the header is not JSON at its byte {}", path.string(), error.byte));
  } catch (const json::exception&) {  // e.g. a number beyond the range of double
    throw FileError(fmt::format("{}: the header holds a value that can't be read", path.string()));
  }
}

// An array of `info` as counts in [0, 2^63), or nothing where it is not one.
std::optional<std::vector<std::int64_t>> counts(const json& info, const char* key) {
  if (!info.contains(key) || !info[key].is_array()) return std::nullopt;
  std::vector<std::int64_t> result;
  for (const json& element : info[key]) {
    if (!element.is_number_unsigned()) return std::nullopt;
    const auto value = element.get<std::uint64_t>();
    if (value > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) return std::nullopt;
    result.push_back(static_cast<std::int64_t>(value));
  }
  return result;
}

// The bytes [begin, end) of the data, and where they go.
struct Range {
  std::int64_t begin, end;
  std::string name;
  StoredTensor tensor;
};

// Reads the entry of one tensor, all but its bytes.
Range parse_tensor(const std::filesystem::path& path, const std::string& name, const json& info,
                   std::int64_t data_bytes) {
  require_file(info.contains("dtype") && info["dtype"].is_string(), path, "tensor {} has no dtype",
               in_quotes(name));
  const auto& dtype = info["dtype"].get_ref<const std::string&>();
  const auto type = std::ranges::find(type_names, dtype, &TypeName::name);
  require_file(type != type_names.end(), path,
               "tensor {} has the dtype {}, which is not supported; convert it to F32",
               in_quotes(name), in_quotes(dtype));

  const auto extents = counts(info, "shape");
  require_file(extents.has_value(), path, "tensor {} has no shape of counts below 2^63",
               in_quotes(name));
  const auto offsets = counts(info, "data_offsets");
  require_file(offsets && offsets->size() == 2, path,
               "tensor {} has no data_offsets of two counts below 2^63", in_quotes(name));
  const auto [begin, end] = std::pair{(*offsets)[0], (*offsets)[1]};
  require_file(begin <= end && end <= data_bytes, path,
               "tensor {} lies at bytes {} to {} of {} bytes of data; the file is damaged or cut "
               "off",
               in_quotes(name), begin, end, data_bytes);

  Range range{begin, end, name, {type->type, {}, {}}};
  try {
    range.tensor.shape = Shape(*extents);
  } catch (const ShapeError& error) {
    throw FileError(fmt::format("{}: tensor {}: {}", path.string(), in_quotes(name), error.what()));
  }
  require_file(
      (end - begin) % type->bytes == 0 && (end - begin) / type->bytes == range.tensor.shape.size(),
      path, "tensor {} of shape {} and dtype {} can't have {} bytes", in_quotes(name),
      to_string(range.tensor.shape), dtype, end - begin);
  return range;
}

// Every byte of the data belongs to one tensor. Sorts the ranges as they lie.
void check_cover(const std::filesystem::path& path, std::vector<Range>& ranges,
                 std::int64_t data_bytes) {
  std::ranges::sort(ranges, {}, [](const Range& r) { return std::tie(r.begin, r.end, r.name); });
  std::int64_t covered = 0;
  for (const Range& range : ranges) {
    require_file(range.begin >= covered, path, "tensor {} overlaps another one",
                 in_quotes(range.name));
    require_file(range.begin == covered, path, "the {} bytes before tensor {} belong to no tensor",
                 range.begin - covered, in_quotes(range.name));
    covered = range.end;
  }
  require_file(covered == data_bytes, path, "the last {} bytes belong to no tensor",
               data_bytes - covered);
}

void read_metadata(const std::filesystem::path& path, const json& members,
                   std::map<std::string, std::string>& metadata) {
  for (const auto& [key, value] : members.items()) {
    require_file(value.is_string(), path, "the metadata {} is not a string", in_quotes(key));
    metadata.emplace(key, value.get<std::string>());
  }
}

// IEEE 754 binary16: 1 sign, 5 exponent and 10 fraction bits; every value is a float32 too.
float from_f16(std::uint16_t bits) {
  const int exponent = bits >> 10 & 0x1f;
  const float fraction = static_cast<float>(bits & 0x3ff);
  float value = 0.0f;
  if (exponent == 0x1f) {
    value = fraction == 0.0f ? std::numeric_limits<float>::infinity()
                             : std::numeric_limits<float>::quiet_NaN();
  } else if (exponent == 0) {
    value = std::ldexp(fraction, -24);
  } else {
    value = std::ldexp(fraction + 1024.0f, exponent - 25);
  }
  return (bits & 0x8000) != 0 ? -value : value;
}

// bfloat16 is the upper half of a float32.
float from_bf16(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

// Calls visit(i, element) for the elements of the type `T` that the bytes hold, aligned or not.
template <class T, class Visit>
void for_each_element(const StoredTensor& stored, Visit visit) {
  for (std::int64_t i = 0; i < stored.shape.size(); ++i) {
    T element;
    std::memcpy(&element, stored.bytes.data() + i * std::int64_t{sizeof(T)}, sizeof(T));
    visit(i, element);
  }
}

}  // namespace

std::string_view to_string(StoredType type) { return entry(type).name; }

std::int64_t size_bytes(StoredType type) { return entry(type).bytes; }

StoredTensor StoredTensor::from(const Tensor& tensor) {
  const bool is_float = tensor.dtype() == DType::f32;
  StoredTensor stored{is_float ? StoredType::f32 : StoredType::i32, tensor.shape(), {}};
  const auto bytes = is_float ? std::as_bytes(tensor.values()) : std::as_bytes(tensor.int_values());
  stored.bytes.assign(bytes.begin(), bytes.end());
  return stored;
}

const StoredTensor& SafetensorsFile::at(const std::string& name) const {
  const auto found = tensors.find(name);
  require_file(found != tensors.end(), path, "there is no tensor {}", in_quotes(name));
  return found->second;
}

Tensor SafetensorsFile::floats(const std::string& name) const {
  const StoredTensor& stored = at(name);
  Tensor result = Tensor::empty(stored.shape);
  float* y = result.data();
  switch (stored.type) {
    case StoredType::f64:
      for_each_element<double>(stored, [y](auto i, double v) { y[i] = static_cast<float>(v); });
      return result;
    case StoredType::f32:
      for_each_element<float>(stored, [y](auto i, float v) { y[i] = v; });
      return result;
    case StoredType::f16:
      for_each_element<std::uint16_t>(stored, [y](auto i, auto v) { y[i] = from_f16(v); });
      return result;
    case StoredType::bf16:
      for_each_element<std::uint16_t>(stored, [y](auto i, auto v) { y[i] = from_bf16(v); });
      return result;
    case StoredType::i64:
    case StoredType::i32:
    case StoredType::u8:
      break;
  }
  throw FileError(fmt::format("{}: tensor {} has the dtype {} where floating-point numbers must be",
                              path.string(), in_quotes(name), to_string(stored.type)));
}

Tensor SafetensorsFile::ints(const std::string& name) const {
  const StoredTensor& stored = at(name);
  Tensor result = Tensor::empty(stored.shape, Device{}, DType::i32);
  std::int32_t* y = result.ints();
  switch (stored.type) {
    case StoredType::i64:
      for_each_element<std::int64_t>(stored, [&](auto i, std::int64_t v) {
        require_file(std::in_range<std::int32_t>(v), path,
                     "tensor {} has the element {}, which does not fit in 32 bits", in_quotes(name),
                     v);
        y[i] = static_cast<std::int32_t>(v);
      });
      return result;
    case StoredType::i32:
      for_each_element<std::int32_t>(stored, [y](auto i, std::int32_t v) { y[i] = v; });
      return result;
    case StoredType::u8:
      for_each_element<std::uint8_t>(stored, [y](auto i, std::uint8_t v) { y[i] = v; });
      return result;
    case StoredType::f64:
    case StoredType::f32:
    case StoredType::f16:
    case StoredType::bf16:
      break;
  }
  throw FileError(fmt::format("{}: tensor {} has the dtype {} where integers must be",
                              path.string(), in_quotes(name), to_string(stored.type)));
}

SafetensorsFile read_safetensors(const std::filesystem::path& path) {
  std::error_code unreadable;
  require_file(std::filesystem::is_regular_file(path, unreadable), path,
               "there is no such file; check the path");
  const auto file_bytes = static_cast<std::int64_t>(std::filesystem::file_size(path, unreadable));
  std::ifstream file(path, std::ios::binary);
  require_file(!unreadable && file.is_open(), path, "the file can't be opened for reading");
  require_file(file_bytes >= prefix_bytes, path,
               "the file has {} bytes, too few for a safetensors file", file_bytes);

  std::uint64_t header_length = 0;
  file.read(reinterpret_cast<char*>(&header_length), prefix_bytes);
  require_file(header_length <= std::uint64_t{max_header_bytes}, path,
               "the header claims {} bytes, more than 100 MB; this is not a safetensors file",
               header_length);
  const auto header_bytes = static_cast<std::int64_t>(header_length);
  require_file(header_bytes <= file_bytes - prefix_bytes, path,
               "the header claims {} bytes in a file of {}; the file is cut off", header_bytes,
               file_bytes);
  std::vector<char> text(static_cast<std::size_t>(header_bytes));
  file.read(text.data(), header_bytes);
  require_file(file.good(), path, "the file can't be read");
  const json header = parse_header(path, text);

  const std::int64_t data_bytes = file_bytes - prefix_bytes - header_bytes;
  SafetensorsFile result{path, {}, {}};
  std::vector<Range> ranges;
  for (const auto& [name, info] : header.items()) {
    if (name == metadata_key) {
      read_metadata(path, info, result.metadata);
    } else {
      ranges.push_back(parse_tensor(path, name, info, data_bytes));
    }
  }
  check_cover(path, ranges, data_bytes);
  for (Range& range : ranges) {
    range.tensor.bytes.resize(static_cast<std::size_t>(range.end - range.begin));
    file.read(reinterpret_cast<char*>(range.tensor.bytes.data()), range.end - range.begin);
    require_file(!file.bad(), path, "the file can't be read");
    require_file(file.good(), path, "the file ends inside of tensor {}", in_quotes(range.name));
    result.tensors.emplace(std::move(range.name), std::move(range.tensor));
  }
  return result;
}

void write_safetensors(const std::filesystem::path& path,
                       const std::map<std::string, std::string>& metadata,
                       const std::map<std::string, StoredTensor>& tensors) {
  std::vector<std::pair<std::string_view, const StoredTensor*>> order;
  for (const auto& [name, tensor] : tensors) {
    require<ShapeError>(name != metadata_key, "a tensor can't have the name {}", metadata_key);
    require<ShapeError>(std::ssize(tensor.bytes) / size_bytes(tensor.type) == tensor.shape.size() &&
                            std::ssize(tensor.bytes) % size_bytes(tensor.type) == 0,
                        "a tensor {} of shape {} and dtype {} with {} bytes", in_quotes(name),
                        to_string(tensor.shape), to_string(tensor.type), tensor.bytes.size());
    order.emplace_back(name, &tensor);
  }
  std::ranges::stable_sort(order, std::greater<>{},
                           [](const auto& item) { return size_bytes(item.second->type); });

  json header = json::object();
  if (!metadata.empty()) header[metadata_key] = metadata;
  std::int64_t offset = 0;
  for (const auto& [name, tensor] : order) {
    const std::int64_t end = offset + std::ssize(tensor->bytes);
    header[name] = {{"dtype", to_string(tensor->type)},
                    {"shape", tensor->shape.extents()},
                    {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const json::type_error&) {
    throw FileError(fmt::format("{}: a name or a metadata text is not UTF-8", path.string()));
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');
  require_file(std::ssize(text) <= max_header_bytes, path,
               "the header would have {} bytes, more than 100 MB", text.size());

  const std::uint64_t header_length = text.size();
  std::string bytes(reinterpret_cast<const char*>(&header_length), prefix_bytes);
  bytes.reserve(bytes.size() + text.size() + static_cast<std::size_t>(offset));
  bytes += text;
  for (const auto& [name, tensor] : order) {
    bytes.append(reinterpret_cast<const char*>(tensor->bytes.data()), tensor->bytes.size());
  }
  write_file_atomically(path, bytes);
}

}  // namespace trifold::engine
