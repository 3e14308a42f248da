#include "nn/io/pytorch_file.h"

#include <zip.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>

#include "kernels/runtime/error.h"
#include "nn/io/pickle.h"

namespace trifold::nn {
namespace {

using engine::SafetensorsFile;
using engine::StoredTensor;
using engine::StoredType;
using Kind = Pickled::Kind;

constexpr std::uint64_t most_pickle_bytes = 1 << 24;

const std::map<std::string, StoredType>& storages() {
  static const std::map<std::string, StoredType> types = {
      {"torch.DoubleStorage", StoredType::f64}, {"torch.FloatStorage", StoredType::f32},
      {"torch.HalfStorage", StoredType::f16},   {"torch.BFloat16Storage", StoredType::bf16},
      {"torch.LongStorage", StoredType::i64},   {"torch.IntStorage", StoredType::i32},
      {"torch.ByteStorage", StoredType::u8},    {"torch.BoolStorage", StoredType::u8}};
  return types;
}

std::set<std::string> known_globals() {
  std::set<std::string> names = {"collections.OrderedDict", "torch._utils._rebuild_tensor_v2",
                                 "torch._utils._rebuild_parameter", "torch.Size"};
  for (const auto& [name, type] : storages()) names.insert(name);
  return names;
}

// The zip archive. Its entries are stored as they are, so that none is larger than the file.
class Archive {
 public:
  explicit Archive(const std::filesystem::path& path) : where_(path.string()) {
    std::array<char, 2> begin{};
    require<FileError>(std::ifstream(path, std::ios::binary).read(begin.data(), 2).good(),
                       "{}: the file can't be read", where_);
    require<FileError>(
        begin[0] != '\x80',
        "{}: it was written by PyTorch before 1.6 or without its zip format; load it "
        "there, and torch.save() it again",
        where_);
    int error = 0;
    zip_.reset(zip_open(path.c_str(), ZIP_RDONLY | ZIP_CHECKCONS, &error));
    if (zip_ == nullptr) {
      zip_error_t reason;
      zip_error_init_with_code(&reason, error);
      const std::string text = zip_error_strerror(&reason);
      zip_error_fini(&reason);
      throw FileError(fmt::format("{}: this is not a file of torch.save() ({})", where_, text));
    }
    const zip_int64_t entries = zip_get_num_entries(zip_.get(), 0);
    for (zip_int64_t i = 0; i < entries; ++i) {
      const std::string name = zip_get_name(zip_.get(), static_cast<zip_uint64_t>(i), 0);
      if (!name.ends_with("/data.pkl") || name.find('/') != name.rfind('/')) continue;
      require<FileError>(folder_.empty(), "{}: it holds two pickles", where_);
      folder_ = name.substr(0, name.rfind('/') + 1);
    }
    require<FileError>(!folder_.empty(), "{}: this is not a file of torch.save() (no data.pkl)",
                       where_);
    const std::optional<std::uint64_t> order = size("byteorder");
    require<FileError>(!order || (*order == 6 && read("byteorder", 6) == "little"),
                       "{}: its numbers are not little-endian", where_);
  }

  /// Bytes of an entry; nothing where there is none.
  std::optional<std::uint64_t> size(const std::string& name) const {
    zip_stat_t stat;
    if (zip_stat(zip_.get(), (folder_ + name).c_str(), 0, &stat) != 0) return std::nullopt;
    require<FileError>((stat.valid & ZIP_STAT_SIZE) != 0 &&
                           (stat.valid & ZIP_STAT_COMP_METHOD) != 0 &&
                           stat.comp_method == ZIP_CM_STORE && stat.comp_size == stat.size,
                       "{}: '{}' is compressed, which torch.save() does not do", where_, name);
    return stat.size;
  }

  std::string read(const std::string& name, std::uint64_t bytes) const {
    std::string content(bytes, '\0');
    const std::unique_ptr<zip_file_t, int (*)(zip_file_t*)> file(
        zip_fopen(zip_.get(), (folder_ + name).c_str(), 0), zip_fclose);
    char more = 0;
    // At its end the checksum is compared.
    require<FileError>(
        file != nullptr &&
            zip_fread(file.get(), content.data(), bytes) == static_cast<zip_int64_t>(bytes) &&
            zip_fread(file.get(), &more, 1) == 0,
        "{}: '{}' is damaged", where_, name);
    return content;
  }

 private:
  struct Close {
    void operator()(zip_t* zip) const { zip_discard(zip); }
  };
  std::string where_, folder_;
  std::unique_ptr<zip_t, Close> zip_;
};

// Makes the tensors that a pickle describes.
class Tensors {
 public:
  Tensors(const Archive& archive, const std::filesystem::path& path)
      : archive_(archive),
        where_(path.string()),
        bytes_left_(2 * std::filesystem::file_size(path)) {}

  StoredTensor make(const std::string& name, const Pickled& call) {
    name_ = name;
    if (call.text == "torch._utils._rebuild_parameter") {
      need(!call.argument->items.empty() && is_tensor(*call.argument->items[0]) &&
               call.argument->items[0]->text != call.text,
           "it is no parameter");
      return make(name, *call.argument->items[0]);
    }
    const std::vector<const Pickled*>& with = call.argument->items;
    need(with.size() >= 4 && with[0]->kind == Kind::persistent &&
             with[0]->argument->kind == Kind::sequence,
         "its elements are nowhere");
    const std::vector<const Pickled*>& storage = with[0]->argument->items;
    need(storage.size() == 5 && storage[1]->kind == Kind::global && storage[2]->kind == Kind::text,
         "its elements are nowhere");
    const auto type = storages().find(storage[1]->text);
    need(type != storages().end(), "its elements have an unknown type");
    const std::int64_t element = size_bytes(type->second), stored = integer(*storage[4]);
    StoredTensor tensor{.type = type->second, .shape = {}, .bytes = {}};
    const std::vector<std::int64_t> extents = integers(*with[2]), strides = integers(*with[3]);
    need(extents.size() == strides.size() && extents.size() <= 8, "its shape is impossible");
    std::int64_t last = integer(*with[1]);  // the greatest index
    const bool empty = std::ranges::find(extents, 0) != extents.end();
    for (std::size_t i = 0; i < extents.size(); ++i) {
      if (empty || extents[i] == 1) continue;
      need(last < stored && strides[i] >= 1 && (extents[i] - 1) <= (stored - 1 - last) / strides[i],
           "it reaches beyond its elements");
      last += (extents[i] - 1) * strides[i];
    }
    need(empty || last < stored, "it reaches beyond its elements");
    try {
      tensor.shape = engine::Shape(extents);
    } catch (const ShapeError&) {
      need(false, "its shape is impossible");
    }
    const auto bytes =
        static_cast<std::uint64_t>(tensor.shape.size()) * static_cast<std::uint64_t>(element);
    need(bytes <= bytes_left_, "it is larger than the file");
    bytes_left_ -= bytes;
    const std::string entry = "data/" + storage[2]->text;
    const std::optional<std::uint64_t> size = archive_.size(entry);
    need(size.has_value() &&
             stored <= static_cast<std::int64_t>(*size / static_cast<std::uint64_t>(element)),
         "its elements are missing");
    if (empty) return tensor;
    // Tensors that follow one another may be parts of the same storage.
    if (entry != entry_) content_ = archive_.read(entry, *size);
    entry_ = entry;
    copy(content_.data() + integer(*with[1]) * element, element, extents, strides, 0, tensor.bytes);
    return tensor;
  }

  static bool is_tensor(const Pickled& value) {
    return value.kind == Kind::call && (value.text == "torch._utils._rebuild_tensor_v2" ||
                                        value.text == "torch._utils._rebuild_parameter");
  }

 private:
  void need(bool condition, const char* why) const {
    require<FileError>(condition, "{}: tensor '{}': {}", where_, name_, why);
  }
  std::int64_t integer(const Pickled& value) const {
    need(value.kind == Kind::integer && value.integer >= 0, "a number is none");
    return value.integer;
  }
  std::vector<std::int64_t> integers(const Pickled& value) const {
    need(value.kind == Kind::sequence, "a list is none");
    std::vector<std::int64_t> numbers;
    for (const Pickled* item : value.items) numbers.push_back(integer(*item));
    return numbers;
  }

  // Appends the elements of the axes from `axis` on, the last axis fastest.
  static void copy(const char* from, std::int64_t element, const std::vector<std::int64_t>& extents,
                   const std::vector<std::int64_t>& strides, std::size_t axis,
                   std::vector<std::byte>& to) {
    if (axis == extents.size()) {
      const auto* const bytes = reinterpret_cast<const std::byte*>(from);
      to.insert(to.end(), bytes, bytes + element);
      return;
    }
    for (std::int64_t i = 0; i < extents[axis]; ++i) {
      copy(from + i * strides[axis] * element, element, extents, strides, axis + 1, to);
    }
  }

  const Archive& archive_;
  std::string where_, name_, entry_, content_;
  std::uint64_t bytes_left_;
};

bool holds_tensors(const Pickled& value) {
  return value.kind == Kind::dictionary &&
         std::ranges::any_of(value.entries,
                             [](const auto& entry) { return Tensors::is_tensor(*entry.second); });
}

// The dictionary of tensors: the pickle itself, or the one that a checkpoint holds.
const Pickled& state_of(const Pickled& root, const std::string& where) {
  require<FileError>(root.kind == Kind::dictionary, "{}: it holds no dictionary of tensors", where);
  std::vector<std::pair<std::string, const Pickled*>> found;
  for (const auto& [key, value] : root.entries) {
    if (key->kind == Kind::text && holds_tensors(*value)) found.emplace_back(key->text, value);
  }
  // A checkpoint may hold single tensors, such as an accuracy, beside the dictionary.
  if (found.empty() && holds_tensors(root)) return root;
  for (const char* usual : {"state_dict", "model_state_dict", "model", "net"}) {
    for (const auto& [key, value] : found) {
      if (key == usual) return *value;
    }
  }
  std::vector<std::string> keys;
  for (const auto& [key, value] : found) keys.push_back(key);
  require<FileError>(found.size() == 1, "{}: it holds {} dictionaries of tensors{}; save one alone",
                     where, found.size(),
                     found.empty() ? "" : fmt::format(" ({})", fmt::join(keys, ", ")));
  return *found.front().second;
}

}  // namespace

bool is_pytorch(const std::filesystem::path& path) {
  return path.extension() == ".pth" || path.extension() == ".pt" || path.extension() == ".th";
}

SafetensorsFile read_pytorch(const std::filesystem::path& path) {
  const std::string where = path.string();
  const Archive archive(path);
  const std::optional<std::uint64_t> bytes = archive.size("data.pkl");
  require<FileError>(bytes.has_value() && *bytes <= most_pickle_bytes,
                     "{}: its pickle has more than 16 MB", where);
  const std::string pickle = archive.read("data.pkl", *bytes);
  const PickledObject object = unpickle(pickle, known_globals(), where);
  SafetensorsFile file{.path = path, .metadata = {}, .tensors = {}};
  Tensors tensors(archive, path);
  for (const auto& [key, value] : state_of(*object.root, where).entries) {
    require<FileError>(key->kind == Kind::text && Tensors::is_tensor(*value),
                       "{}: '{}' is not a tensor", where, key->text);
    file.tensors.insert_or_assign(key->text, tensors.make(key->text, *value));
  }
  return file;
}

}  // namespace trifold::nn
