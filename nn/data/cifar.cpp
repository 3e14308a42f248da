#include "nn/data/cifar.h"

#include "kernels/runtime/error.h"
#include "nn/data/byte_reader.h"
#include "nn/data/memory_limit.h"
#include "nn/data/utf8.h"

namespace trifold::nn {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t side = 32;
constexpr std::int64_t plane_bytes = side * side;
constexpr std::int64_t image_bytes = 3 * plane_bytes;

/// What sets the two data sets apart.
struct Format {
  std::string name;
  std::vector<std::string> train_files;
  std::string test_file;
  std::string class_names_file;
  std::vector<std::string> class_names;     // where the file above is missing; may be empty
  std::vector<std::int64_t> label_extents;  // of each label byte of a record; the last one counts
  std::int64_t record_bytes() const { return std::ssize(label_extents) + image_bytes; }
  std::int64_t classes() const { return label_extents.back(); }
};

Format cifar10() {
  return {
      "cifar10",
      {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
       "data_batch_5.bin"},
      "test_batch.bin",
      "batches.meta.txt",
      {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"},
      {10}};
}

Format cifar100() {
  return {"cifar100", {"train.bin"}, "test.bin", "fine_label_names.txt", {}, {20, 100}};
}

std::int64_t count_records(const fs::path& path, const Format& format) {
  const std::int64_t bytes = file_bytes(path);
  require<FileError>(bytes > 0 && bytes % format.record_bytes() == 0,
                     "{}: its {} bytes are not a whole number of {} records of {} bytes",
                     path.string(), bytes, format.name, format.record_bytes());
  return bytes / format.record_bytes();
}

/// Planes (3, 32, 32) to channels-last (32, 32, 3).
void append_image(const std::uint8_t* planes, std::vector<std::uint8_t>& pixels) {
  for (std::int64_t i = 0; i < plane_bytes; ++i) {
    for (std::int64_t c = 0; c < 3; ++c) pixels.push_back(planes[c * plane_bytes + i]);
  }
}

void append_file(const fs::path& path, const Format& format, Dataset& dataset) {
  const std::int64_t records = count_records(path, format);
  const std::int64_t labels = std::ssize(format.label_extents);
  const auto reader = open_bytes(path);
  std::vector<std::uint8_t> record(static_cast<std::size_t>(format.record_bytes()));
  for (std::int64_t r = 0; r < records; ++r) {
    reader->read(record.data(), format.record_bytes());
    for (std::size_t l = 0; l < format.label_extents.size(); ++l) {
      require<FileError>(record[l] < format.label_extents[l],
                         "{}: record {} (byte {}) has label {}, but there are {} classes",
                         path.string(), r, r * format.record_bytes() + static_cast<std::int64_t>(l),
                         record[l], format.label_extents[l]);
    }
    append_image(record.data() + labels, dataset.pixels);
    dataset.labels.push_back(record[static_cast<std::size_t>(labels - 1)]);
  }
  dataset.count += records;
}

std::vector<std::string> read_class_names(const fs::path& folder, const Format& format) {
  const fs::path path = folder / format.class_names_file;
  if (!fs::exists(path)) return format.class_names;
  std::vector<std::string> names = read_lines(path);
  require<FileError>(std::ssize(names) == format.classes(),
                     "{}: it holds {} class names, but {} has {} classes", path.string(),
                     names.size(), format.name, format.classes());
  for (const std::string& name : names) {
    require<FileError>(is_utf8(name),
                       "{}: the class name '{}' is not in UTF-8, as models record it; save the "
                       "file in UTF-8",
                       path.string(), as_utf8(name));
  }
  return names;
}

DataSplits load(const fs::path& folder, const Format& format, std::int64_t memory_limit_bytes,
                Splits splits) {
  const auto count = [&](const std::vector<std::string>& files) {
    std::int64_t records = 0;
    for (const std::string& file : files) records += count_records(folder / file, format);
    return records;
  };
  const std::vector<std::string> test_files{format.test_file};
  const std::int64_t train_count = wants_train(splits) ? count(format.train_files) : 0;
  const std::int64_t test_count = wants_test(splits) ? count(test_files) : 0;
  require_fits_memory(folder.string(), (train_count + test_count) * image_bytes,
                      memory_limit_bytes);

  const std::vector<std::string> names = read_class_names(folder, format);
  const auto read = [&](const std::vector<std::string>& files, std::int64_t records) {
    Dataset dataset;
    dataset.name = format.name;
    dataset.class_names = names;
    dataset.classes = format.classes();
    dataset.height = dataset.width = side;
    dataset.channels = 3;
    dataset.pixels.reserve(static_cast<std::size_t>(records * image_bytes));
    dataset.labels.reserve(static_cast<std::size_t>(records));
    for (const std::string& file : files) append_file(folder / file, format, dataset);
    return dataset;
  };
  DataSplits data;
  if (wants_train(splits)) data.train = read(format.train_files, train_count);
  if (wants_test(splits)) data.test = read(test_files, test_count);
  return data;
}

}  // namespace

DataSplits load_cifar10(const fs::path& folder, std::int64_t memory_limit_bytes, Splits splits) {
  return load(folder, cifar10(), memory_limit_bytes, splits);
}

DataSplits load_cifar100(const fs::path& folder, std::int64_t memory_limit_bytes, Splits splits) {
  return load(folder, cifar100(), memory_limit_bytes, splits);
}

DataFormat cifar10_format() {
  return {.name = "cifar10",
          .help = "CIFAR-10's binary version",
          .load = [](const fs::path& folder, const LoadOptions& o) {
            return load_cifar10(folder, o.memory_limit_bytes, o.splits);
          }};
}

DataFormat cifar100_format() {
  return {.name = "cifar100",
          .help = "CIFAR-100's binary version",
          .load = [](const fs::path& folder, const LoadOptions& o) {
            return load_cifar100(folder, o.memory_limit_bytes, o.splits);
          }};
}

}  // namespace trifold::nn
