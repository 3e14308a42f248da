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

#include "engine/file_io.h"
#include "kernels/runtime/error.h"
#include "nn/data/image_files.h"

namespace trifold::nn {
namespace {

namespace fs = std::filesystem;

// A file that is closed at the end of its scope, unless it is handed on.
class OpenFile {
 public:
  OpenFile(const fs::path& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0666)) {}
  ~OpenFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  int fd() const { return fd_; }
  int hand_on() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// Removes a file at the end of its scope, unless it has got its final name.
struct PartialFile {
  fs::path path;
  bool renamed = false;
  ~PartialFile() {
    if (!renamed) ::unlink(path.c_str());
  }
};

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

void write_all(int fd, std::span<const std::uint8_t> bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) fail(path);
    if (written > 0) bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
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
    write_all(fd, pixels, path);
    if (progress) progress(first + std::ssize(indices), dataset.count);
  }
}

// Whether the open file is the one that stands under `path`.
bool is_at(int fd, const fs::path& path) {
  struct stat open = {}, named = {};
  return ::fstat(fd, &open) == 0 && ::stat(path.c_str(), &named) == 0 &&
         open.st_dev == named.st_dev && open.st_ino == named.st_ino;
}

// Makes the file `path`, unless somebody else has by now.
void make(const fs::path& path, const Dataset& dataset, int threads,
          const ImageCache::Progress& progress) {
  const fs::path partial = path.string() + ".partial";
  for (;;) {
    const OpenFile file(partial, O_RDWR | O_CREAT);
    if (file.fd() < 0 || ::flock(file.fd(), LOCK_EX) != 0) fail(path);
    if (fs::exists(path)) return;
    if (!is_at(file.fd(), partial)) continue;  // whoever held the lock has failed and removed it
    PartialFile made{partial};
    if (::ftruncate(file.fd(), 0) != 0) fail(path);
    decode_all(file.fd(), dataset, threads, path, progress);
    if (::fsync(file.fd()) != 0 || ::rename(partial.c_str(), path.c_str()) != 0) fail(path);
    made.renamed = true;
    return;
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
  if (!fs::exists(path)) make(path, dataset, threads, progress);
  OpenFile file(path, O_RDONLY);
  require<FileError>(file.fd() >= 0, "{}: the cache of images can't be read ({})", path.string(),
                     std::strerror(errno));
  struct stat status = {};
  const std::int64_t bytes = dataset.count * dataset.image_bytes();
  require<FileError>(::fstat(file.fd(), &status) == 0 && status.st_size == bytes,
                     "{}: the cache of images has {} bytes, not {}; remove it", path.string(),
                     status.st_size, bytes);
  return std::shared_ptr<const ImageCache>(new ImageCache(path, file.hand_on()));
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
