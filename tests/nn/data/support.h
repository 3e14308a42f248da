/// What the tests of nn/data share: a folder that cleans up after itself, writers, messages.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "kernels/runtime/error.h"
#include "nn/data/dataset.h"

namespace trifold::nn::testing {

using Bytes = std::vector<std::uint8_t>;

/// A fresh folder, removed at the end.
class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "trifold-data-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = name;
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

inline void write_bytes(const std::filesystem::path& path, const Bytes& bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream stream(path, std::ios::binary);
  stream.write(reinterpret_cast<const char*>(bytes.data()), std::ssize(bytes));
}

/// Expects an error of type E whose text is one line that holds every one of `parts`.
template <class E, class Action>
void expect_error(Action action, const std::vector<std::string>& parts) {
  try {
    action();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const E& error) {
    const std::string text = error.what();
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
    for (const std::string& part : parts) {
      EXPECT_NE(text.find(part), std::string::npos) << "'" << part << "' is not in: " << text;
    }
  }
}

/// The folder of real data shared by the tests; empty where there is none.
inline std::filesystem::path shared_folder() {
  const char* chosen = std::getenv("TRIFOLD_SHARED");
  const std::filesystem::path folder =
      chosen != nullptr ? std::filesystem::path(chosen)
                        : std::filesystem::path(TRIFOLD_SOURCE_DIR) / ".." / "shared";
  return std::filesystem::is_directory(folder) ? folder : std::filesystem::path();
}

/// Images whose bytes all differ from their neighbours'; labels go round.
inline Dataset counting_dataset(std::int64_t count, std::int64_t height, std::int64_t width,
                                std::int64_t channels, std::int64_t classes) {
  Dataset dataset;
  dataset.name = "counting";
  dataset.count = count;
  dataset.height = height;
  dataset.width = width;
  dataset.channels = channels;
  dataset.classes = classes;
  for (std::int64_t i = 0; i < count * height * width * channels; ++i) {
    dataset.pixels.push_back(static_cast<std::uint8_t>(i * 7 + i / 256));
  }
  for (std::int64_t i = 0; i < count; ++i) {
    dataset.labels.push_back(static_cast<std::int32_t>(i % classes));
  }
  for (std::int64_t k = 0; k < classes; ++k) dataset.class_names.push_back(std::to_string(k));
  return dataset;
}

}  // namespace trifold::nn::testing
