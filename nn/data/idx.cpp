#include "nn/data/idx.h"

#include <algorithm>
#include <array>

#include "kernels/error.h"
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

fs::path find(const fs::path& folder, const std::string& file) {
  fs::path plain = folder / file;
  fs::path compressed = folder / (file + ".gz");
  if (fs::exists(plain)) return plain;
  require<FileError>(fs::exists(compressed), "{}: it holds neither {} nor {}.gz", folder.string(),
                     file, file);
  return compressed;
}

Dataset read_split(const fs::path& folder, const std::string& prefix, const std::string& name,
                   std::int64_t memory_limit_bytes) {
  IdxFile images = read_idx(find(folder, prefix + "-images-idx3-ubyte"), 3, memory_limit_bytes);
  const IdxFile labels =
      read_idx(find(folder, prefix + "-labels-idx1-ubyte"), 1, memory_limit_bytes);
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

std::vector<std::string> numbered_classes(const Dataset& train) {
  std::vector<std::string> names;
  const std::int32_t last = *std::max_element(train.labels.begin(), train.labels.end());
  for (std::int32_t k = 0; k <= last; ++k) names.push_back(std::to_string(k));
  return names;
}

void name_classes(const std::vector<std::string>& names, const fs::path& folder,
                  const std::string& prefix, Dataset& dataset) {
  dataset.class_names = names;
  dataset.classes = std::ssize(names);
  for (std::int64_t i = 0; i < dataset.count; ++i) {
    require<FileError>(dataset.label(i) < dataset.classes,
                       "{}: the {} label of image {} is {}, but there are {} classes",
                       folder.string(), prefix, i, dataset.label(i), dataset.classes);
  }
}

}  // namespace

DataSplits load_idx(const fs::path& folder, const std::string& name,
                    const std::vector<std::string>& class_names, std::int64_t memory_limit_bytes) {
  DataSplits splits;
  splits.train = read_split(folder, "train", name, memory_limit_bytes);
  splits.test =
      read_split(folder, "t10k", name, memory_limit_bytes - std::ssize(splits.train.pixels));
  require<FileError>(
      splits.train.height == splits.test.height && splits.train.width == splits.test.width,
      "{}: training images of {} x {} pixels do not go with test images of {} x {}",
      folder.string(), splits.train.height, splits.train.width, splits.test.height,
      splits.test.width);
  const auto names = class_names.empty() ? numbered_classes(splits.train) : class_names;
  name_classes(names, folder, "train", splits.train);
  name_classes(names, folder, "t10k", splits.test);
  return splits;
}

}  // namespace trifold::nn
