/// How many photographs a second are made ready for a network of 224 x 224 pixels from their files.
///
///   bench_images [--threads N] [Google Benchmark's flags]
///
/// The pictures are made up: 64 JPEG files of 500 x 375 pixels, about as long as photographs of that
/// size are. They stay in the system's cache of files, so that no disk is measured.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

// After <cstdio>, whose FILE it takes for granted.
#include <jpeglib.h>

#include "apps/cli/exit_code.h"
#include "engine/random.h"
#include "kernels/runtime/error.h"
#include "nn/data/augment.h"
#include "nn/data/image_files.h"
#include "nn/data/image_folder.h"

using namespace trifold;

namespace {

namespace fs = std::filesystem;

constexpr std::int64_t height = 375, width = 500, pictures = 64, side = 224;

// A picture with edges, shades and noise of a few levels.
std::vector<std::uint8_t> picture(std::uint64_t seed) {
  engine::Random random(seed);
  const double fast = 0.05 + 0.1 * random.uniform(), slow = 0.01 + 0.02 * random.uniform();
  std::vector<std::uint8_t> pixels;
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      const auto across = static_cast<double>(x), down = static_cast<double>(y);
      const double edge = std::sin(fast * across) * std::sin(fast * down) > 0.3 ? 40 : 0;
      for (int c = 0; c < 3; ++c) {
        const double shade = 90 * std::sin(slow * (across + c * down)) + edge;
        const double value = 128 + shade + 12 * (random.uniform() - 0.5);
        pixels.push_back(static_cast<std::uint8_t>(std::clamp(value, 0.0, 255.0)));
      }
    }
  }
  return pixels;
}

std::string encode(const std::vector<std::uint8_t>& pixels) {
  jpeg_error_mgr errors{};
  jpeg_compress_struct encoder{};
  encoder.err = jpeg_std_error(&errors);
  jpeg_create_compress(&encoder);
  unsigned char* data = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&encoder, &data, &size);
  encoder.image_width = width;
  encoder.image_height = height;
  encoder.input_components = 3;
  encoder.in_color_space = JCS_RGB;
  jpeg_set_defaults(&encoder);
  jpeg_set_quality(&encoder, 90, TRUE);
  jpeg_start_compress(&encoder, TRUE);
  while (encoder.next_scanline < encoder.image_height) {
    JSAMPROW row = const_cast<std::uint8_t*>(pixels.data()) + encoder.next_scanline * width * 3;
    jpeg_write_scanlines(&encoder, &row, 1);
  }
  jpeg_finish_compress(&encoder);
  jpeg_destroy_compress(&encoder);
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  std::free(data);
  return bytes;
}

// A folder that goes with its owner.
struct Folder {
  fs::path path;

  Folder() {
    std::string pattern = (fs::temp_directory_path() / "bench_images-XXXXXX").string();
    path = ::mkdtemp(pattern.data());
  }
  ~Folder() { fs::remove_all(path); }
};

// Reads all pictures of the data set again and again.
void read(benchmark::State& state, const nn::Dataset& dataset, int threads, bool windows) {
  nn::ImageReader reader(dataset, threads);
  std::vector<std::int64_t> indices(static_cast<std::size_t>(dataset.count));
  std::iota(indices.begin(), indices.end(), 0);
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(dataset.count * dataset.image_bytes()));
  std::int64_t epoch = 0;
  nn::ImageReader::ChooseWindow window;
  if (windows) {
    window = [&](std::int64_t index, std::int64_t h, std::int64_t w) {
      return nn::draw_window(0, epoch, index, h, w);
    };
  }
  for (auto _ : state) {
    reader.read(indices, window, {}, pixels.data());
    benchmark::DoNotOptimize(pixels.data());
    ++epoch;
  }
  state.SetItemsProcessed(state.iterations() * dataset.count);
}

int run(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  int threads = 0;
  const bool named = argc == 3 && std::string(argv[1]) == "--threads";
  if (named) {
    const char* const end = argv[2] + std::string_view(argv[2]).size();
    const auto [rest, error] = std::from_chars(argv[2], end, threads);
    require<ConfigError>(error == std::errc{} && rest == end && threads >= 1,
                         "--threads is {}; give a number from 1 on", argv[2]);
  }
  require<ConfigError>(argc == 1 || named,
                       "unknown flag {}; there are --threads and --benchmark_...", argv[argc - 1]);
  const Folder folder;
  std::uintmax_t bytes = 0;
  for (std::int64_t i = 0; i < pictures; ++i) {
    const fs::path file = folder.path / "data/train/a" / (std::to_string(i) + ".jpg");
    fs::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << encode(picture(static_cast<std::uint64_t>(i)));
    bytes += fs::file_size(file);
  }
  fmt::print(stderr, "{} pictures of {} x {} pixels, {} bytes each\n", pictures, width, height,
             bytes / pictures);
  nn::ImageFolderOptions options{.side = side, .threads = threads};
  options.stream_above_bytes = 0;
  const auto load = [&] {
    return nn::load_image_folder(folder.path / "data", options, 0, nn::Splits::train).train;
  };
  const nn::Dataset decoded = load();
  options.cache = folder.path / "cache";
  const nn::Dataset cached = load();
  const auto row = [&](const char* name, const nn::Dataset& dataset, bool windows) {
    benchmark::RegisterBenchmark(name, [&, windows](benchmark::State& state) {
      read(state, dataset, threads, windows);
    })->UseRealTime();
  };
  row("central_square", decoded, false);
  row("random_window", decoded, true);
  row("cached", cached, false);
  benchmark::RunSpecifiedBenchmarks();
  return apps::exit_ok;
}

}  // namespace

int main(int argc, char** argv) {
  return apps::run_app([&] { return run(argc, argv); });
}
