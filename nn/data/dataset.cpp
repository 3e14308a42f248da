#include "nn/data/dataset.h"

#include <zlib.h>

#include <algorithm>
#include <numeric>

#include "engine/random.h"
#include "kernels/runtime/error.h"
#include "nn/data/image_files.h"

namespace trifold::nn {
namespace {

using Indices = std::vector<std::int64_t>;

std::vector<Indices> group_by_class(const Dataset& dataset) {
  std::vector<Indices> groups(static_cast<std::size_t>(dataset.classes));
  for (std::int64_t i = 0; i < dataset.count; ++i) {
    groups[static_cast<std::size_t>(dataset.label(i))].push_back(i);
  }
  return groups;
}

/// How many images each class gives, in proportion to its size; the sum is `count`.
std::vector<std::int64_t> quotas(const std::vector<Indices>& groups, std::int64_t count,
                                 std::int64_t total) {
  std::vector<std::int64_t> quota(groups.size()), remainder(groups.size());
  for (std::size_t k = 0; k < groups.size(); ++k) {
    const auto size = static_cast<std::int64_t>(groups[k].size());
    quota[k] = count * size / total;
    remainder[k] = count * size % total;
  }
  std::vector<std::size_t> order(groups.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return remainder[a] > remainder[b]; });
  std::int64_t missing = count - std::accumulate(quota.begin(), quota.end(), std::int64_t{0});
  for (std::size_t k = 0; missing > 0; ++k, --missing) ++quota[order[k]];
  return quota;
}

}  // namespace

void check(const Dataset& d) {
  require<ShapeError>(
      d.count >= 1 && d.height >= 1 && d.width >= 1 && d.channels >= 1 && d.classes >= 1,
      "data set '{}': every extent must be at least 1, but they are {} images of {} x {} x {}, "
      "{} classes",
      d.name, d.count, d.height, d.width, d.channels, d.classes);
  const std::int64_t bytes = d.streamed() ? 0 : d.count * d.image_bytes();
  require<ShapeError>(
      static_cast<std::int64_t>(d.pixels.size()) == bytes &&
          static_cast<std::int64_t>(d.labels.size()) == d.count &&
          (d.class_names.empty() || static_cast<std::int64_t>(d.class_names.size()) == d.classes),
      "data set '{}': {} pixel bytes, {} labels and {} class names do not fit {} "
      "images of {} bytes in {} classes",
      d.name, d.pixels.size(), d.labels.size(), d.class_names.size(), d.count, d.image_bytes(),
      d.classes);
  const auto [lowest, highest] = std::minmax_element(d.labels.begin(), d.labels.end());
  require<ShapeError>(*lowest >= 0 && *highest < d.classes,
                      "data set '{}': labels span [{}, {}], outside its {} classes", d.name,
                      *lowest, *highest, d.classes);
  const std::int64_t files = d.streamed() ? d.files->count() : 0;
  require<ShapeError>(
      std::ssize(d.file_of) == (d.streamed() ? d.count : 0) &&
          std::ranges::all_of(d.file_of, [&](auto file) { return file >= 0 && file < files; }),
      "data set '{}': the places of {} of its {} images in {} files are wrong or missing", d.name,
      d.file_of.size(), d.count, files);
}

std::uint32_t checksum(const Dataset& dataset) {
  uLong crc = ::crc32(0, nullptr, 0);
  const auto add = [&crc](const auto* values, std::size_t count) {
    if (count == 0) return;  // crc32_z begins anew where there are no bytes
    crc = ::crc32_z(crc, reinterpret_cast<const Bytef*>(values), count * sizeof(*values));
  };
  if (dataset.streamed()) {
    const std::int64_t read[] = {dataset.height, dataset.channels, dataset.files->orient ? 1 : 0};
    add(read, std::size(read));
  }
  for (const std::int64_t file : dataset.file_of) {
    const std::string& name = dataset.files->names[static_cast<std::size_t>(file)];
    add(name.c_str(), name.size() + 1);
    add(&dataset.files->bytes[static_cast<std::size_t>(file)], 1);
  }
  add(dataset.pixels.data(), dataset.pixels.size());
  add(dataset.labels.data(), dataset.labels.size());
  return static_cast<std::uint32_t>(crc);
}

Dataset subset(const Dataset& dataset, const std::vector<std::int64_t>& indices) {
  Dataset part;
  part.name = dataset.name;
  part.class_names = dataset.class_names;
  part.count = static_cast<std::int64_t>(indices.size());
  part.height = dataset.height;
  part.width = dataset.width;
  part.channels = dataset.channels;
  part.classes = dataset.classes;
  part.files = dataset.files;
  if (!dataset.streamed()) {
    part.pixels.reserve(static_cast<std::size_t>(part.count * part.image_bytes()));
  }
  part.labels.reserve(indices.size());
  for (const std::int64_t index : indices) {
    require<ShapeError>(index >= 0 && index < dataset.count,
                        "data set '{}' has no image {}: it holds {}", dataset.name, index,
                        dataset.count);
    if (dataset.streamed()) {
      part.file_of.push_back(dataset.file_of[static_cast<std::size_t>(index)]);
    } else {
      const std::uint8_t* image = dataset.image(index);
      part.pixels.insert(part.pixels.end(), image, image + dataset.image_bytes());
    }
    part.labels.push_back(dataset.label(index));
  }
  return part;
}

HeldOutSplit split_held_out(const Dataset& dataset, std::int64_t count, std::uint64_t seed) {
  check(dataset);
  require<ConfigError>(count >= 1 && count < dataset.count,
                       "the held-out split of '{}' must take between 1 and {} of its {} images, "
                       "not {}",
                       dataset.name, dataset.count - 1, dataset.count, count);
  std::vector<Indices> groups = group_by_class(dataset);
  const std::vector<std::int64_t> quota = quotas(groups, count, dataset.count);
  Indices train, held_out;
  for (std::size_t k = 0; k < groups.size(); ++k) {
    engine::Random(seed, engine::random_streams::split, static_cast<std::uint32_t>(k))
        .shuffle(groups[k]);
    const auto cut = groups[k].begin() + quota[k];
    held_out.insert(held_out.end(), groups[k].begin(), cut);
    train.insert(train.end(), cut, groups[k].end());
  }
  std::sort(train.begin(), train.end());
  std::sort(held_out.begin(), held_out.end());
  return {subset(dataset, train), subset(dataset, held_out)};
}

}  // namespace trifold::nn
