/// Running the real programs, and tiny data for them.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace trifold::apps_test {

namespace fs = std::filesystem;

/// A folder that goes with its owner.
class TempFolder {
 public:
  TempFolder() {
    std::string pattern = (fs::temp_directory_path() / "trifold-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TempFolder() { fs::remove_all(path_); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  fs::path operator/(const std::string& name) const { return path_ / name; }

 private:
  fs::path path_;
};

inline std::string read_text(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

inline void write_text(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

struct Result {
  int code = 0;  ///< the exit code; 128 + signal for a program that a signal ended
  std::string out, err;
};

/// A signal to send a while after the start.
struct Interruption {
  int signal = 0;  ///< 0: none
  std::chrono::milliseconds after{0};
};

inline std::string path_of_program(const std::string& name) {
  return std::string(TRIFOLD_BIN_DIR) + "/" + name;
}

/// Runs a program of this build, or one that is installed, to its end.
inline Result run_program(const std::string& name, const std::vector<std::string>& arguments,
                          const Interruption& interruption = {}) {
  const TempFolder folder;
  const std::string program = name.starts_with('/') ? name : path_of_program(name);
  std::vector<std::string> words = arguments;
  words.insert(words.begin(), program);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const std::string out = (folder / "out").string(), err = (folder / "err").string();
  const pid_t child = fork();
  if (child == 0) {
    dup2(open(out.c_str(), O_WRONLY | O_CREAT, 0600), STDOUT_FILENO);
    dup2(open(err.c_str(), O_WRONLY | O_CREAT, 0600), STDERR_FILENO);
    execv(program.c_str(), argv.data());
    _exit(127);
  }
  if (interruption.signal != 0) {
    std::this_thread::sleep_for(interruption.after);
    kill(child, interruption.signal);
  }
  int status = 0;
  waitpid(child, &status, 0);
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return {code, read_text(out), read_text(err)};
}

/// Whether stderr ends with exactly one line "error: ...", and it has `part` in it.
inline bool one_error(const Result& result, const std::string& part) {
  const std::size_t at = result.err.find("error: ");
  return at != std::string::npos && result.err.find('\n', at) == result.err.size() - 1 &&
         result.err.find(part, at) != std::string::npos;
}

/// 60 training and 20 test images in CIFAR-10's format: noise whose brightness tells the class.
inline std::string tiny_cifar(const TempFolder& folder) {
  const fs::path path = folder / "cifar";
  fs::create_directories(path);
  std::uint32_t state = 1;
  const auto write = [&](const std::string& name, int images) {
    std::string bytes;
    for (int i = 0; i < images; ++i) {
      bytes += static_cast<char>(i % 10);
      for (int pixel = 0; pixel < 3072; ++pixel) {
        state = state * 1664525u + 1013904223u;
        bytes += static_cast<char>((state >> 26) + static_cast<std::uint32_t>(i % 10) * 19);
      }
    }
    write_text(path / name, bytes);
  };
  for (int i = 1; i <= 5; ++i) write("data_batch_" + std::to_string(i) + ".bin", 12);
  write("test_batch.bin", 20);
  return "cifar10:" + path.string();
}

/// Names the classes of tiny_cifar: "a", "b", ..., with the two at `swapped` and after it exchanged.
inline void name_tiny_classes(const TempFolder& folder, std::size_t swapped) {
  std::string names = "abcdefghij";
  std::swap(names[swapped], names[swapped + 1]);
  std::string lines;
  for (const char name : names) lines += std::string(1, name) + "\n";
  write_text(folder / "cifar" / "batches.meta.txt", lines);
}

/// Grey images of 8 x 8 pixels in the IDX format, 48 for training and 16 for tests, of 4 classes:
/// noise whose brightness tells the class.
inline std::string tiny_idx(const TempFolder& folder) {
  const fs::path path = folder / "idx";
  fs::create_directories(path);
  const auto big_endian = [](std::uint32_t value) {
    std::string bytes;
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 0xff);
    return bytes;
  };
  std::uint32_t state = 1;
  const auto write = [&](const std::string& prefix, std::uint32_t count) {
    std::string images = big_endian(0x803) + big_endian(count) + big_endian(8) + big_endian(8);
    std::string labels = big_endian(0x801) + big_endian(count);
    for (std::uint32_t i = 0; i < count; ++i) {
      labels += static_cast<char>(i % 4);
      for (int pixel = 0; pixel < 64; ++pixel) {
        state = state * 1664525u + 1013904223u;
        images += static_cast<char>((state >> 26) + i % 4 * 60);
      }
    }
    write_text(path / (prefix + "-images-idx3-ubyte"), images);
    write_text(path / (prefix + "-labels-idx1-ubyte"), labels);
  };
  write("train", 48);
  write("t10k", 16);
  return "idx:" + path.string();
}

/// A short training into `out`; more flags may follow.
inline std::vector<std::string> tiny_training(const std::string& data, const fs::path& out,
                                              const std::vector<std::string>& more = {}) {
  std::vector<std::string> words = {"--arch",    "resnet8", "--data",  data,
                                    "--epochs",  "6",       "--batch", "6",
                                    "--threads", "1",       "--out",   out.string()};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

/// Arguments of `prune` for a run of seconds on such data; what `more` says comes before them.
inline std::vector<std::string> tiny_pruning(const std::string& stage, const fs::path& model,
                                             const std::string& data, const fs::path& out,
                                             const std::vector<std::string>& more = {}) {
  std::vector<std::string> words = {stage,
                                    "--model",
                                    model.string(),
                                    "--data",
                                    data,
                                    "--out",
                                    out.string(),
                                    "--rounds",
                                    "2",
                                    "--finetune-epochs",
                                    "1",
                                    "--held-out",
                                    "10",
                                    "--batch",
                                    "8",
                                    "--bn-batches",
                                    "1",
                                    "--probe-images",
                                    "100",
                                    "--threads",
                                    "1"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

/// Waits until a run has done an epoch, and returns the process that its folder names.
inline pid_t holder_of(const fs::path& run) {
  for (int i = 0; i < 6000 && read_text(run / "metrics.jsonl").empty(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  std::istringstream text(read_text(run / "run.lock"));
  std::string word;
  pid_t process = 0;
  text >> word >> process;
  return process;
}

}  // namespace trifold::apps_test
