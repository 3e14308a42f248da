/// Files of torch.save(): what PyTorch wrote is read, and nothing else is believed.
#include "nn/io/pytorch_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>

#include "kernels/runtime/error.h"
#include "nn/io/model_file.h"
#include "nn/io/pickle.h"

namespace trifold::nn {
namespace {

namespace fs = std::filesystem;

const fs::path fixtures = fs::path(TRIFOLD_FIXTURES) / "pytorch";

std::vector<float> values(const engine::SafetensorsFile& file, const std::string& name) {
  const engine::Tensor tensor = file.floats(name);
  return {tensor.values().begin(), tensor.values().end()};
}
std::vector<std::int32_t> integers(const engine::SafetensorsFile& file, const std::string& name) {
  const engine::Tensor tensor = file.ints(name);
  return {tensor.int_values().begin(), tensor.int_values().end()};
}
std::vector<float> counting(float first, std::size_t count) {
  std::vector<float> numbers(count);
  std::iota(numbers.begin(), numbers.end(), first);
  return numbers;
}

std::string bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

template <class F>
void expect_refused(F&& read, const std::string& part) {
  try {
    read();
    ADD_FAILURE() << "not refused: " << part;
  } catch (const FileError& e) {
    EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
  }
}

TEST(PytorchFile, HoldsWhatPytorchPutThere) {
  for (const char* name : {"state.pth", "checkpoint.pth"}) {
    SCOPED_TRACE(name);
    const engine::SafetensorsFile file = read_pytorch(fixtures / name);
    EXPECT_EQ(file.tensors.size(), 15u);
    EXPECT_EQ(file.at("conv.weight").shape, (engine::Shape{2, 3, 2, 2}));
    EXPECT_EQ(values(file, "conv.weight"), counting(0, 24));
    // Channels last in memory, but not in meaning.
    EXPECT_EQ(values(file, "last.weight"), counting(0, 24));
    EXPECT_EQ(file.at("transposed").shape, (engine::Shape{4, 3}));
    EXPECT_EQ(values(file, "transposed"),
              (std::vector<float>{0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11}));
    EXPECT_EQ(values(file, "view"), counting(10, 12));
    EXPECT_EQ(values(file, "tail"), counting(39, 1));
    EXPECT_EQ(values(file, "parameter"), counting(0, 5));
    for (const char* type : {"double", "half", "bfloat"}) {
      EXPECT_EQ(values(file, type), (std::vector<float>{0, 0.25, 0.5})) << type;
    }
    for (const char* type : {"long", "int"}) {
      EXPECT_EQ(integers(file, type), (std::vector<std::int32_t>{-1, 0, 1})) << type;
    }
    EXPECT_EQ(integers(file, "byte"), (std::vector<std::int32_t>{0, 1, 2}));
    EXPECT_EQ(integers(file, "flag"), (std::vector<std::int32_t>{1, 0}));
    EXPECT_EQ(integers(file, "scalar"), (std::vector<std::int32_t>{7}));
    EXPECT_EQ(file.at("scalar").shape.rank(), 0);
    EXPECT_EQ(file.at("empty").shape, (engine::Shape{0, 3}));
  }
}

TEST(PytorchFile, RefusesWhatIsMoreThanTensors) {
  expect_refused([] { read_pytorch(fixtures / "module.pth"); },
                 "it holds a torch.nn.modules.container.Sequential");
  expect_refused([] { read_pytorch(fixtures / "old.pth"); }, "before 1.6");
  expect_refused([] { read_pytorch(fixtures / "none.pth"); }, "none.pth");
  // As a model such a file says nothing of its network or its images.
  const ModelHints hints{
      .arch = "resnet8", .normalisation = Normalisation{{0.5f}, {0.5f}}, .side = {}};
  expect_refused([&] { load_model(fixtures / "state.pth", hints); }, "linear.weight");
  EXPECT_THROW(load_model(fixtures / "state.pth"), ConfigError);
  expect_refused([] { read_pytorch(fs::path(TRIFOLD_FIXTURES) / "README.md"); },
                 "not a file of torch.save()");
}

TEST(PytorchFile, SurvivesDamageAnywhere) {
  const fs::path path =
      fs::temp_directory_path() / ("trifold_damage_" + std::to_string(getpid()) + ".pth");
  const std::string whole = bytes_of(fixtures / "state.pth");
  int refused = 0, read = 0;
  const auto try_reading = [&](const std::string& bytes) {
    fs::remove(path);  // a new file needn't reach the disk before the next one
    std::ofstream(path, std::ios::binary) << bytes;
    try {
      read_pytorch(path);
      ++read;
    } catch (const FileError&) {
      ++refused;
    }
  };
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string bytes = whole;
    bytes[i] = static_cast<char>(bytes[i] ^ (i % 2 == 0 ? 0xff : 0x10));
    try_reading(bytes);
  }
  const int flips = refused;
  for (std::size_t size = 0; size < whole.size(); size += 7) try_reading(whole.substr(0, size));
  fs::remove(path);
  // Checksums cover all elements and the pickle; padding and dates nobody reads.
  EXPECT_GT(flips, static_cast<int>(whole.size()) / 3);
  EXPECT_EQ(refused - flips, static_cast<int>((whole.size() + 6) / 7));
  EXPECT_GT(read, 0);
}

using namespace std::string_literals;

PickledObject parse(const std::string& bytes) {
  return unpickle(bytes, {"collections.OrderedDict", "f.g"}, "file");
}

TEST(Pickle, ReadsTheOpcodesOfStateDicts) {
  using Kind = Pickled::Kind;
  const PickledObject object = parse(
      "\x80\x02}("
      "X\x01\x00\x00\x00"
      "aJ\xfe\xff\xff\xff"
      "X\x01\x00\x00\x00"
      "b]q\x05(K\x01M\x02\x01\x8a\x03\x00\x00\x80\x8a\x00"
      "eX\x01\x00\x00\x00"
      "c"
      "cf\ng\n\x88\x89N\x87R"
      "X\x01\x00\x00\x00"
      "dh\x05"
      "X\x01\x00\x00\x00"
      "e(K\x07tQu."s);
  ASSERT_EQ(object.root->kind, Kind::dictionary);
  const auto& entries = object.root->entries;
  ASSERT_EQ(entries.size(), 5u);
  EXPECT_EQ(entries[0].first->text, "a");
  EXPECT_EQ(entries[0].second->integer, -2);
  std::vector<std::int64_t> list;
  for (const Pickled* item : entries[1].second->items) list.push_back(item->integer);
  EXPECT_EQ(list, (std::vector<std::int64_t>{1, 258, -8388608, 0}));
  EXPECT_EQ(entries[2].second->kind, Kind::call);
  EXPECT_EQ(entries[2].second->text, "f.g");
  EXPECT_EQ(entries[2].second->argument->items.size(), 3u);
  EXPECT_EQ(entries[3].second, entries[1].second) << "the same list again";
  EXPECT_EQ(entries[4].second->kind, Kind::persistent);
  EXPECT_EQ(entries[4].second->argument->items[0]->integer, 7);
}

TEST(Pickle, CallsNothingAndBelievesNothing) {
  expect_refused([] { parse("\x80\x02"s + "cos\nsystem\n(X\x02\x00\x00\x00lstR."s); },
                 "it holds a os.system");
  expect_refused([] { parse("\x80\x04\x8c\x02os\x8c\x06system\x93."s); }, "it holds a os.system");
  for (const std::string& bytes : {""s,
                                   "\x80"s,
                                   "\x80\x06."s,
                                   "."s,
                                   "t."s,
                                   "(."s,
                                   "K"s,
                                   "X\xff\xff\xff\xff"s,
                                   "R."s,
                                   "NR."s,
                                   "NNR."s,
                                   "cf\ng\nNR."s,
                                   "h\x01."s,
                                   "Na."s,
                                   "NNa."s,
                                   "NNNs."s,
                                   "}(Nu."s,
                                   "\x8a\x09"s,
                                   "c"s,
                                   "cf\n"s,
                                   "\x8c\x05hi."s,
                                   "(N0."s,
                                   "ccollections\nOrderedDict\nN\x85R."s,
                                   "\x93."s,
                                   "b."s,
                                   "Nb."s,
                                   "q\x01."s,
                                   "e."s,
                                   "N\x87."s}) {
    EXPECT_THROW(parse(bytes), FileError) << bytes;
  }
  // What holds itself, and what is nested deeply, is freed.
  parse("]q\x01h\x01"s + "a."s);
  parse(std::string(200'000, ']') + std::string(199'999, 'a') + ".");
  expect_refused([] { parse(std::string(1'000'001, 'N') + "."); }, "a million values");
}

}  // namespace
}  // namespace trifold::nn
