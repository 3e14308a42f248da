#include "nn/data/byte_reader.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>

#include "kernels/runtime/error.h"

namespace trifold::nn {
namespace {

constexpr std::array<std::uint8_t, 2> gzip_start{0x1F, 0x8B};

std::ifstream open_stream(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  require<FileError>(stream.good(), "{}: cannot be opened for reading", path.string());
  return stream;
}

/// Reads up to `count` bytes and says how many came.
std::int64_t read_some(std::ifstream& stream, std::uint8_t* out, std::int64_t count,
                       const std::filesystem::path& path) {
  stream.read(reinterpret_cast<char*>(out), count);
  require<FileError>(!stream.bad(), "{}: the system failed to read it", path.string());
  return stream.gcount();
}

class PlainReader : public ByteReader {
 public:
  explicit PlainReader(std::filesystem::path path)
      : path_(std::move(path)), size_(file_bytes(path_)), stream_(open_stream(path_)) {}

  void read(std::uint8_t* out, std::int64_t count) override {
    const std::int64_t got = read_some(stream_, out, count, path_);
    require<FileError>(got == count, "{}: ends at byte {}, where {} more bytes are needed",
                       path_.string(), offset_ + got, count - got);
    offset_ += count;
  }

  void expect_end() override {
    require<FileError>(offset_ == size_, "{}: {} bytes too many after byte {}", path_.string(),
                       size_ - offset_, offset_);
  }

  std::int64_t most_bytes() const override { return size_; }

 private:
  std::filesystem::path path_;
  std::int64_t size_;
  std::ifstream stream_;
  std::int64_t offset_ = 0;
};

class GzipReader : public ByteReader {
 public:
  explicit GzipReader(std::filesystem::path path)
      : path_(std::move(path)), size_(file_bytes(path_)), stream_(open_stream(path_)) {
    constexpr int gzip_only = 16 + MAX_WBITS;
    require<Error>(inflateInit2(&inflate_, gzip_only) == Z_OK, "zlib could not be started");
  }
  ~GzipReader() override { inflateEnd(&inflate_); }
  GzipReader(const GzipReader&) = delete;
  GzipReader& operator=(const GzipReader&) = delete;

  void read(std::uint8_t* out, std::int64_t count) override {
    std::int64_t done = 0;
    while (done < count) {
      const std::int64_t got = produce(out + done, std::min(count - done, largest_step));
      require<FileError>(got > 0,
                         "{}: the decompressed data ends at byte {}, where {} more bytes are "
                         "needed",
                         path_.string(), offset_, count - done);
      done += got;
      offset_ += got;
    }
  }

  void expect_end() override {
    std::uint8_t surplus = 0;
    require<FileError>(produce(&surplus, 1) == 0,
                       "{}: the decompressed data goes on after byte {}, where it should end",
                       path_.string(), offset_);
    require<FileError>(inflate_.avail_in == 0, "{}: there are bytes after the end of the gzip data",
                       path_.string());
  }

  std::int64_t most_bytes() const override {
    constexpr std::int64_t best_ratio = 1033;  // Deflate's limit is 1032 : 1.
    return size_ * best_ratio;
  }

 private:
  static constexpr std::int64_t largest_step = 1 << 30;  // zlib counts in 32 bits.

  void refill() {
    const std::int64_t got = read_some(stream_, input_.data(), std::ssize(input_), path_);
    inflate_.next_in = input_.data();
    inflate_.avail_in = static_cast<uInt>(got);
  }

  /// Decompresses up to `count` bytes; fewer come only at the end of the gzip data, whose checksum
  /// has then been found right.
  std::int64_t produce(std::uint8_t* out, std::int64_t count) {
    inflate_.next_out = out;
    inflate_.avail_out = static_cast<uInt>(count);
    while (inflate_.avail_out > 0 && !ended_) {
      if (inflate_.avail_in == 0) refill();
      require<FileError>(inflate_.avail_in > 0, "{}: the gzip data is cut off after {} bytes",
                         path_.string(), size_);
      const int code = inflate(&inflate_, Z_NO_FLUSH);
      require<FileError>(code == Z_OK || code == Z_STREAM_END,
                         "{}: the gzip data is damaged near byte {} ({})", path_.string(),
                         earlier_members_bytes_ + inflate_.total_in,
                         inflate_.msg != nullptr ? inflate_.msg : "zlib error");
      if (code == Z_STREAM_END) ended_ = !start_next_member();
    }
    return count - static_cast<std::int64_t>(inflate_.avail_out);
  }

  /// Passes over padding. False: no member follows, but other bytes may.
  bool start_next_member() {
    earlier_members_bytes_ += inflate_.total_in;
    while (true) {
      if (inflate_.avail_in == 0) refill();
      if (inflate_.avail_in == 0) return false;
      if (*inflate_.next_in != 0) break;
      ++inflate_.next_in;
      --inflate_.avail_in;
      ++earlier_members_bytes_;
    }
    return *inflate_.next_in == gzip_start[0] && inflateReset(&inflate_) == Z_OK;
  }

  std::filesystem::path path_;
  std::int64_t size_;
  std::ifstream stream_;
  std::array<std::uint8_t, 1 << 16> input_{};
  z_stream inflate_{};
  bool ended_ = false;
  std::int64_t offset_ = 0;
  std::uint64_t earlier_members_bytes_ = 0;  // compressed, with their padding
};

bool starts_like_gzip(const std::filesystem::path& path) {
  std::array<std::uint8_t, 2> start{};
  std::ifstream stream = open_stream(path);
  return read_some(stream, start.data(), 2, path) == 2 && start == gzip_start;
}

}  // namespace

std::int64_t file_bytes(const std::filesystem::path& path) {
  std::error_code failure;
  require<FileError>(std::filesystem::is_regular_file(path, failure),
                     "{}: there is no such file, or it is not a regular file", path.string());
  const std::uintmax_t bytes = std::filesystem::file_size(path, failure);
  require<FileError>(!failure, "{}: its size cannot be read ({})", path.string(),
                     failure.message());
  return static_cast<std::int64_t>(bytes);
}

std::unique_ptr<ByteReader> open_bytes(const std::filesystem::path& path) {
  file_bytes(path);
  if (starts_like_gzip(path)) return std::make_unique<GzipReader>(path);
  return std::make_unique<PlainReader>(path);
}

std::vector<std::uint8_t> read_file(const std::filesystem::path& path, std::int64_t most_bytes) {
  PlainReader reader(path);
  require<FileError>(reader.most_bytes() <= most_bytes,
                     "{}: it has {} bytes, more than the {} allowed here", path.string(),
                     reader.most_bytes(), most_bytes);
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(reader.most_bytes()));
  reader.read(bytes.data(), std::ssize(bytes));
  return bytes;
}

std::vector<std::string> read_lines(const std::filesystem::path& path) {
  const std::vector<std::uint8_t> bytes = read_file(path, 1 << 20);
  std::istringstream text(std::string(bytes.begin(), bytes.end()));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) {
    line.erase(line.find_last_not_of(" \t\r") + 1);
    if (!line.empty()) lines.push_back(line);
  }
  return lines;
}

}  // namespace trifold::nn
