#include "nn/data/idx.h"

#include <algorithm>
#include <array>

#include "kernels/runtime/error.h"
#include "nn/data/byte_reader.h"
#include "nn/data/memory_limit.h"

namespace trifold::nn {
namespace {

namespace fs = std::filesystem;

struct IdxFile {
  fs::path path;
  std::vector<std::int64_t> extents;
  std::vector<std::uint8_t> bytes;
};

std::uint32_t read_big_endian(ByteReader& reader) {
  std::array<std::uint8_t, 4> b{};
  reader.read(b.data(), 4);
  return std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 | b[3];
}

/// `rank` extents of unsigned bytes. The limits keep every product far from overflow: each extent
/// is below 2^32 and the running product never exceeds what the file can hold.
IdxFile read_idx(const fs::path& path, std::uint32_t rank, std::int64_t memory_limit_bytes) {
  const auto reader = open_bytes(path);
  const std::uint32_t wanted = 0x800 + rank;  // 0x08 = unsigned bytes
  const std::uint32_t magic = read_big_endian(*reader);
  require<FileError>(magic == wanted,
                     "{}: it starts with the magic number 0x{:08x}, not 0x{:08x} as an IDX file of "
                     "{} does",
                     path.string(), magic, wanted, rank == 3 ? "images" : "labels");
  IdxFile file{path, {}, {}};
  for (std::uint32_t axis = 0; axis < rank; ++axis) {
    file.extents.push_back(read_big_endian(*reader));
  }
  std::int64_t size = 1;
  for (const std::int64_t extent : file.extents) {
    require<FileError>(extent >= 1, "{}: its header gives an extent of 0", path.string());
    require<FileError>(
        extent <= reader->most_bytes() / size,
        "{}: its header promises more data than the file can hold (at most {} bytes)",
        path.string(), reader->most_bytes());
    size *= extent;
  }
  require_fits_memory(path.string(), size, memory_limit_bytes);
  file.bytes.resize(static_cast<std::size_t>(size));
  reader->read(file.bytes.data(), size);
  reader->expect_end();
  return file;
}

/// Such as find(folder, {"t10k", "test"}, "images", "idx3-ubyte"), in the order of load_idx.
fs::path find(const fs::path& folder, const std::vector<std::string>& prefixes,
              const std::string& what, const std::string& type) {
  for (const std::string& prefix : prefixes) {
    for (const char separator : {'-', '.'}) {
      for (const char* ending : {"", ".gz"}) {
        fs::path path = folder / fmt::format("{}-{}{}{}{}", prefix, what, separator, type, ending);
        std::error_code ignored;
        if (fs::is_regular_file(path, ignored)) return path;
      }
    }
  }
  throw FileError(
      fmt::format("{0}: it holds no {1}-{2}-{3} ({1}-{2}.{3} and the ending .gz will do)",
                  folder.string(), prefixes.front(), what, type));
}

Dataset read_split(const fs::path& folder, const std::vector<std::string>& prefixes,
                   const std::string& name, std::int64_t memory_limit_bytes) {
  IdxFile images = read_idx(find(folder, prefixes, "images", "idx3-ubyte"), 3, memory_limit_bytes);
  const IdxFile labels =
      read_idx(find(folder, prefixes, "labels", "idx1-ubyte"), 1, memory_limit_bytes);
  require<FileError>(images.extents[0] == labels.extents[0],
                     "{}: it holds {} labels, but {} holds {} images", labels.path.string(),
                     labels.extents[0], images.path.string(), images.extents[0]);
  Dataset dataset;
  dataset.name = name;
  dataset.pixels = std::move(images.bytes);
  dataset.labels.assign(labels.bytes.begin(), labels.bytes.end());
  dataset.count = images.extents[0];
  dataset.height = images.extents[1];
  dataset.width = images.extents[2];
  dataset.channels = 1;
  return dataset;
}

std::int64_t count_classes(const Dataset& dataset) {
  return 1 + *std::max_element(dataset.labels.begin(), dataset.labels.end());
}

void set_classes(const std::vector<std::string>& names, std::int64_t classes,
                 const fs::path& folder, const std::string& prefix, Dataset& dataset) {
  dataset.class_names = names;
  dataset.classes = classes;
  for (std::int64_t i = 0; i < dataset.count; ++i) {
    require<FileError>(dataset.label(i) < dataset.classes,
                       "{}: the {} label of image {} is {}, but there are {} classes",
                       folder.string(), prefix, i, dataset.label(i), dataset.classes);
  }
}

}  // namespace

DataSplits load_idx(const fs::path& folder, const std::string& name,
                    const std::vector<std::string>& class_names, std::int64_t memory_limit_bytes,
                    Splits splits) {
  DataSplits data;
  Dataset& train = data.train;
  Dataset& test = data.test;
  if (wants_train(splits)) train = read_split(folder, {"train"}, name, memory_limit_bytes);
  if (wants_test(splits)) {
    test =
        read_split(folder, {"t10k", "test"}, name, memory_limit_bytes - std::ssize(train.pixels));
  }
  require<FileError>(
      splits != Splits::both || (train.height == test.height && train.width == test.width),
      "{}: training images of {} x {} pixels do not go with test images of {} x {}",
      folder.string(), train.height, train.width, test.height, test.width);
  const std::int64_t classes = class_names.empty()
                                   ? count_classes(wants_train(splits) ? train : test)
                                   : std::ssize(class_names);
  if (wants_train(splits)) set_classes(class_names, classes, folder, "train", train);
  if (wants_test(splits)) set_classes(class_names, classes, folder, "test", test);
  return data;
}

DataFormat idx_format() {
  return {.name = "idx",
          .help = "the files of MNIST and its relatives, as they are or in gzip",
          .mirror = false,
          .load = [](const fs::path& folder, const LoadOptions& o) {
            return load_idx(folder, "idx", {}, o.memory_limit_bytes, o.splits);
          }};
}

}  // namespace trifold::nn
