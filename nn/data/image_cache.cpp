#include "nn/data/image_cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "engine/descriptor.h"
#include "engine/file_io.h"
#include "kernels/runtime/error.h"
#include "nn/data/image_files.h"

namespace trifold::nn {
namespace {

namespace fs = std::filesystem;

engine::Descriptor open_file(const fs::path& path, int flags) {
  return engine::Descriptor(::open(path.c_str(), flags | O_CLOEXEC, 0666));
}

[[noreturn]] void fail(const fs::path& path) {
  throw engine::WriteError(fmt::format("{}: the cache of images can't be written: {}",
                                       path.string(), std::strerror(errno)));
}

// Of all that decides the bytes of the images.
std::uint32_t checksum_of(const Dataset& dataset) {
  uLong crc = ::crc32(0, nullptr, 0);
  const auto add = [&](const void* bytes, std::size_t count) {
    crc = ::crc32_z(crc, static_cast<const Bytef*>(bytes), count);
  };
  const ImageFiles& files = *dataset.files;
  const std::int64_t form[] = {dataset.height, dataset.channels, files.orient ? 1 : 0,
                               files.count()};
  add(form, sizeof form);
  for (std::size_t i = 0; i < files.names.size(); ++i) {
    std::error_code ignored;  // decoding what can't be looked at will say why
    const std::int64_t changed =
        fs::last_write_time(files.folder / files.names[i], ignored).time_since_epoch().count();
    add(files.names[i].c_str(), files.names[i].size() + 1);
    add(&files.bytes[i], sizeof files.bytes[i]);
    add(&changed, sizeof changed);
  }
  return static_cast<std::uint32_t>(crc);
}

void decode_all(int fd, const Dataset& dataset, int threads, const fs::path& path,
                const ImageCache::Progress& progress) {
  constexpr std::int64_t most = 256;  // images in memory
  ImageReader reader(dataset, threads);
  std::vector<std::uint8_t> pixels;
  for (std::int64_t first = 0; first < dataset.count; first += most) {
    std::vector<std::int64_t> indices(
        static_cast<std::size_t>(std::min(most, dataset.count - first)));
    std::iota(indices.begin(), indices.end(), first);
    pixels.resize(indices.size() * static_cast<std::size_t>(dataset.image_bytes()));
    reader.read(indices, {}, {}, pixels.data());
    engine::write_all(fd, {reinterpret_cast<const char*>(pixels.data()), pixels.size()}, path);
    if (progress) progress(first + std::ssize(indices), dataset.count);
  }
}

// Makes the file `path`, unless somebody else has by now. Whoever holds the lock of the partial file
// takes its name away, by renaming or removing it: who waited for the lock finds it gone, and who came
// later than that has made another one in vain.
void make(const fs::path& path, const Dataset& dataset, int threads,
          const ImageCache::Progress& progress) {
  const fs::path partial = path.string() + ".partial";
  while (!fs::exists(path)) {
    const engine::Descriptor file = open_file(partial, O_RDWR | O_CREAT);
    if (file.number() < 0 || ::flock(file.number(), LOCK_EX) != 0) fail(path);
    if (!engine::has_name(file.number(), partial)) continue;
    engine::TemporaryFile made{partial.string()};
    if (fs::exists(path)) return;
    if (::ftruncate(file.number(), 0) != 0) fail(path);
    decode_all(file.number(), dataset, threads, path, progress);
    if (::fsync(file.number()) != 0 || ::rename(partial.c_str(), path.c_str()) != 0) fail(path);
    made.renamed = true;
  }
}

}  // namespace

std::shared_ptr<const ImageCache> ImageCache::open(const fs::path& folder, const Dataset& dataset,
                                                   int threads, const Progress& progress) {
  std::error_code problem;
  fs::create_directories(folder, problem);
  const std::string split = dataset.files->folder.filename().string();
  const fs::path path =
      folder / fmt::format("{}-{}-{:08x}.images", dataset.name, split, checksum_of(dataset));
  make(path, dataset, threads, progress);
  engine::Descriptor file = open_file(path, O_RDONLY);
  require<FileError>(file.number() >= 0, "{}: the cache of images can't be read ({})",
                     path.string(), std::strerror(errno));
  struct stat status = {};
  const std::int64_t bytes = dataset.count * dataset.image_bytes();
  require<FileError>(::fstat(file.number(), &status) == 0 && status.st_size == bytes,
                     "{}: the cache of images has {} bytes, not {}; remove it", path.string(),
                     status.st_size, bytes);
  return std::shared_ptr<const ImageCache>(new ImageCache(path, file.release()));
}

ImageCache::~ImageCache() { ::close(descriptor_); }

void ImageCache::read(std::int64_t file, std::span<std::uint8_t> to) const {
  auto at = static_cast<off_t>(file * std::ssize(to));
  while (!to.empty()) {
    const ssize_t got = ::pread(descriptor_, to.data(), to.size(), at);
    if (got < 0 && errno == EINTR) continue;
    require<FileError>(got > 0, "{}: the cache of images can't be read ({})", path_.string(),
                       got == 0 ? "it has become shorter" : std::strerror(errno));
    to = to.subspan(static_cast<std::size_t>(got));
    at += got;
  }
}

}  // namespace trifold::nn
