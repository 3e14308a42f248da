/// A network as an ONNX file.
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "nn/onnx/import.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/mutate.h"

namespace {

using namespace trifold;

// A field of a protobuf message: a number and its kind, and the bytes of what it holds.
struct Field {
  std::uint64_t key;
  std::string bytes;
};

std::optional<std::uint64_t> take_number(std::string_view& message) {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64 && !message.empty(); shift += 7) {
    const auto byte = static_cast<std::uint8_t>(message.front());
    message.remove_prefix(1);
    value |= std::uint64_t{byte & 127U} << shift;
    if (byte < 128) return value;
  }
  return std::nullopt;
}

std::string as_bytes(std::uint64_t value) {
  std::string bytes;
  for (; value >= 128; value >>= 7) bytes += static_cast<char>(value | 128);
  return bytes + static_cast<char>(value);
}

// What a field of a kind holds, taken from the front of a message.
std::optional<std::string> take_content(std::uint64_t kind, std::string_view& message) {
  const std::string_view whole = message;
  std::uint64_t size = kind == 1 ? 8 : 4;
  if (kind == 0) {
    if (!take_number(message)) return std::nullopt;
    return std::string(whole.substr(0, whole.size() - message.size()));
  }
  if (kind == 2) {
    const std::optional<std::uint64_t> length = take_number(message);
    if (!length) return std::nullopt;
    size = *length;
  } else if (kind != 1 && kind != 5) {
    return std::nullopt;
  }
  if (size > message.size()) return std::nullopt;
  const std::string content(message.substr(0, size));
  message.remove_prefix(size);
  return content;
}

// Empty where it is no message; texts can look like one, which does no harm.
std::vector<Field> fields_of(std::string_view message) {
  std::vector<Field> fields;
  while (!message.empty()) {
    const std::optional<std::uint64_t> key = take_number(message);
    std::optional<std::string> content = key ? take_content(*key & 7, message) : std::nullopt;
    if (!content) return {};
    fields.push_back({*key, *std::move(content)});
  }
  return fields;
}

std::string join(const std::vector<Field>& fields) {
  std::string message;
  for (const auto& [key, bytes] : fields) {
    message += as_bytes(key);
    if ((key & 7) == 2) message += as_bytes(bytes.size());
    message += bytes;
  }
  return message;
}

// Changes one field somewhere inside; the lengths of those around it follow.
std::string changed(const std::string& message, std::minstd_rand& random, int depth = 0) {
  std::vector<Field> fields = fields_of(message);
  if (fields.empty() || depth > 10) return fuzz::mutated(message);
  const std::size_t at = random() % fields.size(), other = random() % fields.size();
  Field& field = fields[at];
  switch (random() % 16) {
    case 0:
      fields.erase(fields.begin() + static_cast<std::ptrdiff_t>(at));
      break;
    case 1:
      fields.push_back(Field(field));
      break;
    case 2:
      std::swap(field, fields[other]);
      break;
    case 3:
      field.bytes = fields[other].bytes;
      break;
    default:
      if ((field.key & 7) == 0) {
        field.bytes =
            as_bytes(random() % 4 == 0 ? ~std::uint64_t{0} >> random() % 64 : random() % 9);
      } else if ((field.key & 7) == 2) {
        field.bytes = changed(field.bytes, random, depth + 1);
      }
  }
  return join(fields);
}

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned int seed) {
  if (seed % 8 == 0) return LLVMFuzzerMutate(data, size, max_size);
  std::minstd_rand random(seed);
  return fuzz::replace_input(data, size, max_size,
                             changed(std::string(fuzz::text_of(data, size)), random));
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::InputFile file(fuzz::text_of(data, size));
  const nn::ModelHints hints{
      .arch = {}, .normalisation = nn::Normalisation{{0.5f}, {0.5f}}, .side = 8};
  fuzz::expect_sentence([&] { nn::import_onnx(file.path(), hints); });
  return 0;
}
