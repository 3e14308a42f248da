#include "engine/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "engine/file_io.h"
#include "kernels/runtime/error.h"
#include "tests/engine/support.h"

namespace trifold::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <class T>
std::string raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

std::string file_bytes(const std::string& header, const std::string& data) {
  return raw<std::uint64_t>({header.size()}) + header + data;
}

// One tensor "t" of which the test gives the dtype, shape and data.
std::string one_tensor(const std::string& dtype, const std::string& shape,
                       const std::string& data) {
  return file_bytes(R"({"t":{"dtype":")" + dtype + R"(","shape":)" + shape +
                        R"(,"data_offsets":[0,)" + std::to_string(data.size()) + "]}}",
                    data);
}

class Safetensors : public ::testing::Test {
 protected:
  SafetensorsFile read(const std::string& bytes) const {
    write_bytes(path_, bytes);
    return read_safetensors(path_);
  }

  // Expects a FileError that names the file and says `reason`.
  void expect_refused(const std::string& bytes, const std::string& reason) const {
    const std::string text = error_text<FileError>([&] { read(bytes); });
    EXPECT_THAT(text, HasSubstr(path_.string()));
    EXPECT_THAT(text, HasSubstr(reason));
  }

  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "file.safetensors";
};

TEST_F(Safetensors, ReadsAHandMadeFile) {
  const SafetensorsFile file =
      read(file_bytes(R"({"__metadata__":{"format":"pt","note":"\u00e9"},)"
                      R"("b":{"dtype":"F32","shape":[2,1],"data_offsets":[8,16]},)"
                      R"("a":{"dtype":"I32","shape":[2],"data_offsets":[0,8]},)"
                      R"("empty":{"dtype":"F32","shape":[3,0],"data_offsets":[8,8]},)"
                      R"("scalar":{"dtype":"U8","shape":[],"data_offsets":[16,17]}}   )",
                      raw<std::int32_t>({-7, 9}) + raw<float>({1.5f, -2.0f}) + "\xc8"));
  EXPECT_EQ(file.path, path_);
  EXPECT_EQ(file.metadata.at("format"), "pt");
  EXPECT_EQ(file.metadata.at("note"), "\xc3\xa9");
  ASSERT_EQ(file.tensors.size(), 4u);
  EXPECT_THAT(file.ints("a").int_values(), ElementsAre(-7, 9));
  EXPECT_EQ(file.floats("b").shape(), (Shape{2, 1}));
  EXPECT_THAT(file.floats("b").values(), ElementsAre(1.5f, -2.0f));
  EXPECT_EQ(file.floats("empty").shape(), (Shape{3, 0}));
  EXPECT_EQ(file.ints("scalar").shape().rank(), 0);
  EXPECT_THAT(file.ints("scalar").int_values(), ElementsAre(200));
}

TEST_F(Safetensors, ReadsAFileWithoutTensors) {
  EXPECT_TRUE(read(file_bytes("{}", "")).tensors.empty());
}

TEST_F(Safetensors, ConvertsEveryFloatingPointType) {
  EXPECT_THAT(read(one_tensor("F64", "[3]", raw<double>({0.1, -1e300, 3.0}))).floats("t").values(),
              ElementsAre(0.1f, -std::numeric_limits<float>::infinity(), 3.0f));
  EXPECT_THAT(
      read(one_tensor("BF16", "[2]", raw<std::uint16_t>({0x3fc0, 0xc000}))).floats("t").values(),
      ElementsAre(1.5f, -2.0f));
  // Zero, the smallest and the largest subnormal, the smallest normal, 1, -2, the largest,
  // infinity.
  const Tensor halves = read(one_tensor("F16", "[9]",
                                        raw<std::uint16_t>({0x8000, 0x0001, 0x03ff, 0x0400, 0x3c00,
                                                            0xc000, 0x7bff, 0xfc00, 0x7e00})))
                            .floats("t");
  EXPECT_TRUE(std::signbit(halves.values()[0]));
  EXPECT_THAT(halves.values().first(8),
              ElementsAre(0.0f, 0x1p-24f, 0x1.ff8p-15f, 0x1p-14f, 1.0f, -2.0f, 65504.0f,
                          -std::numeric_limits<float>::infinity()));
  EXPECT_TRUE(std::isnan(halves.values()[8]));
}

TEST_F(Safetensors, TakesElementsThatAreNotFinite) {
  const Tensor t =
      read(one_tensor("F32", "[2]", raw<std::uint32_t>({0x7fc00001u, 0xff800000u}))).floats("t");
  EXPECT_EQ(std::bit_cast<std::uint32_t>(t.values()[0]), 0x7fc00001u);
  EXPECT_EQ(t.values()[1], -std::numeric_limits<float>::infinity());
}

TEST_F(Safetensors, ChecksThatIntegersFit) {
  const auto limit = std::int64_t{std::numeric_limits<std::int32_t>::min()};
  EXPECT_THAT(read(one_tensor("I64", "[2]", raw<std::int64_t>({limit, 5}))).ints("t").int_values(),
              ElementsAre(std::numeric_limits<std::int32_t>::min(), 5));
  const SafetensorsFile file = read(one_tensor("I64", "[1]", raw<std::int64_t>({limit - 1})));
  EXPECT_THAT(error_text<FileError>([&] { file.ints("t"); }),
              HasSubstr("tensor \"t\" has the element -2147483649, which does not fit"));
}

TEST_F(Safetensors, RefusesAConversionBetweenKinds) {
  const SafetensorsFile ints = read(one_tensor("I32", "[1]", raw<std::int32_t>({1})));
  EXPECT_THAT(error_text<FileError>([&] { ints.floats("t"); }), HasSubstr("dtype I32 where"));
  const SafetensorsFile floats = read(one_tensor("F32", "[1]", raw<float>({1})));
  EXPECT_THAT(error_text<FileError>([&] { floats.ints("t"); }), HasSubstr("dtype F32 where"));
  EXPECT_THAT(error_text<FileError>([&] { floats.at("no\n"); }),
              HasSubstr(R"(there is no tensor "no\n")"));
}

TEST_F(Safetensors, RefusesAFileThatIsNone) {
  EXPECT_THAT(error_text<FileError>([&] { read_safetensors(folder_ / "missing"); }),
              HasSubstr("missing: there is no such file"));
  EXPECT_THAT(error_text<FileError>([&] { read_safetensors(folder_.path()); }),
              HasSubstr("there is no such file"));
  expect_refused("", "has 0 bytes, too few");
  expect_refused("1234567", "has 7 bytes, too few");
  expect_refused(raw<std::uint64_t>({0}), "does not begin with '{'");
  expect_refused(raw<std::uint64_t>({2}) + "{", "claims 2 bytes in a file of 9");
  expect_refused(raw<std::uint64_t>({100'000'001}) + "{}", "more than 100 MB");
  expect_refused(raw<std::uint64_t>({~std::uint64_t{0}}) + "{}", "more than 100 MB");
}

TEST_F(Safetensors, RefusesAHeaderThatIsNoObjectOfObjects) {
  expect_refused(file_bytes("[]", ""), "does not begin with '{'");
  expect_refused(file_bytes(" {}", ""), "does not begin with '{'");
  expect_refused(file_bytes("{\"a\":", ""), "is not JSON at its byte");
  expect_refused(file_bytes("{} {}", ""), "is not JSON at its byte");
  expect_refused(file_bytes("{\"\xff\":{}}", ""), "is not JSON at its byte");
  expect_refused(file_bytes(R"({"a":{"b":1e999}})", ""), "can't be read");
  expect_refused(file_bytes(R"({"a":[]})", ""), "an array where an object must be");
  expect_refused(file_bytes(R"({"a":1})", ""), "a plain value where an object must be");
  expect_refused(file_bytes(R"({"a":{"b":{}}})", ""), "nests objects deeper");
  expect_refused(file_bytes(R"({"a":{"shape":[[1]]}})", ""), "an array where");
  expect_refused(file_bytes(R"({"a":{"shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}})", ""),
                 "more than 16 numbers");
  expect_refused(file_bytes(R"({"__metadata__":{"a":1}})", ""), R"(metadata "a" is not a string)");
  expect_refused(file_bytes(R"({"__metadata__":{"a":"1","a":"2"}})", ""), R"(name "a" twice)");
  expect_refused(file_bytes(R"({"a":{},"b":{},"a":{}})", ""), R"(the name "a" twice)");
}

TEST_F(Safetensors, SurvivesDeepNesting) {
  for (const char* opening : {"{\"a\":", "["}) {
    std::string header = "{\"a\":";
    while (header.size() < 1'000'000) header += opening;
    EXPECT_THROW(read(file_bytes(header, "")), FileError);
  }
}

TEST_F(Safetensors, RefusesAnEntryThatIsIncomplete) {
  expect_refused(file_bytes(R"({"t":{"shape":[],"data_offsets":[0,0]}})", ""), "has no dtype");
  expect_refused(file_bytes(R"({"t":{"dtype":1,"shape":[],"data_offsets":[0,0]}})", ""),
                 "tensor \"t\" has no dtype");
  expect_refused(one_tensor("F8_E4M3", "[1]", "x"), R"(dtype "F8_E4M3", which is not supported)");
  expect_refused(file_bytes(R"({"t":{"dtype":"F32","data_offsets":[0,0]}})", ""), "has no shape");
  for (const char* shape : {"[-1]", "[1.5]", "[\"1\"]", "[null]", "\"x\"", "[9223372036854775808]",
                            "[99999999999999999999999]"}) {
    expect_refused(one_tensor("F32", shape, ""), "tensor \"t\" has no shape of counts");
  }
  for (const char* offsets : {"[0]", "[0,0,0]", "[-1,0]", "[0,0.0]", "7", "[]"}) {
    expect_refused(
        file_bytes(
            R"({"t":{"dtype":"F32","shape":[0],"data_offsets":)" + std::string(offsets) + "}}", ""),
        "tensor \"t\" has no data_offsets");
  }
}

TEST_F(Safetensors, RefusesShapesThatDoNotFitTheirBytes) {
  expect_refused(one_tensor("F32", "[4294967296,4294967296]", "1234"), "2^62 elements or more");
  // 2^61 elements of 8 bytes are 2^64 bytes, which must not wrap around to 0.
  expect_refused(one_tensor("F64", "[2305843009213693952]", ""), "can't have 0 bytes");
  expect_refused(one_tensor("F32", "[2]", "1234"), "can't have 4 bytes");
  expect_refused(one_tensor("F32", "[1]", "12345"), "can't have 5 bytes");
  expect_refused(one_tensor("F32", "[0]", "1234"), "can't have 4 bytes");
}

std::string two_tensors(const std::string& first, const std::string& second,
                        const std::string& data) {
  return file_bytes(R"({"s":{"dtype":"U8","shape":[2],"data_offsets":)" + first +
                        R"(},"t":{"dtype":"U8","shape":[2],"data_offsets":)" + second + "}}",
                    data);
}

TEST_F(Safetensors, RefusesRangesThatDoNotCoverTheDataOnce) {
  EXPECT_EQ(read(two_tensors("[2,4]", "[0,2]", "abcd")).tensors.size(), 2u);
  expect_refused(two_tensors("[2,0]", "[0,2]", "abcd"), "tensor \"s\" lies at bytes 2 to 0");
  expect_refused(two_tensors("[0,2]", "[2,4]", "abc"), "tensor \"t\" lies at bytes 2 to 4 of 3");
  expect_refused(two_tensors("[0,2]", "[1,3]", "abc"), "tensor \"t\" overlaps another");
  expect_refused(two_tensors("[0,2]", "[0,2]", "ab"), "tensor \"t\" overlaps another");
  expect_refused(two_tensors("[0,2]", "[3,5]", "abcde"), "the 1 bytes before tensor \"t\"");
  expect_refused(two_tensors("[0,2]", "[2,4]", "abcde"), "the last 1 bytes belong to no tensor");
}

std::map<std::string, StoredTensor> some_tensors() {
  const std::vector<float> floats{1.0f, -0.0f, std::numeric_limits<float>::quiet_NaN(), 4.0f};
  const std::vector<std::int32_t> ints{-1, 2};
  return {{"a.bytes", {StoredType::u8, Shape{3}, {std::byte{1}, std::byte{2}, std::byte{255}}}},
          {"b.weight", StoredTensor::from(Tensor::from(Shape{2, 2}, floats))},
          {"c \"quoted\"", StoredTensor::from(Tensor::from(Shape{2}, ints))},
          {"d.empty", {StoredType::f32, Shape{0}, {}}}};
}

TEST_F(Safetensors, WritesWhatItReads) {
  const std::map<std::string, std::string> metadata{{"arch", "resnet20"},
                                                    {"text", "\n\"\\ \xc3\xa9"}};
  write_safetensors(path_, metadata, some_tensors());
  const SafetensorsFile file = read_safetensors(path_);
  EXPECT_EQ(file.metadata, metadata);
  ASSERT_EQ(file.tensors.size(), some_tensors().size());
  for (const auto& [name, written] : some_tensors()) {
    const StoredTensor& got = file.at(name);
    EXPECT_EQ(got.type, written.type) << name;
    EXPECT_EQ(got.shape, written.shape) << name;
    EXPECT_EQ(got.bytes, written.bytes) << name;
  }
}

TEST_F(Safetensors, WritesTheSameBytesForTheSameInput) {
  write_safetensors(path_, {{"b", "2"}, {"a", "1"}}, some_tensors());
  const std::string first = read_bytes(path_);
  write_safetensors(path_, {{"a", "1"}, {"b", "2"}}, some_tensors());
  EXPECT_EQ(read_bytes(path_), first);

  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, first.data(), sizeof(header_bytes));
  EXPECT_EQ(header_bytes % 8, 0u);
  // The bytes come last although their name comes first, so that the floats are aligned.
  EXPECT_THAT(first, HasSubstr(R"("a.bytes":{"data_offsets":[24,27],"dtype":"U8","shape":[3]})"));
  EXPECT_THAT(first, HasSubstr(R"("b.weight":{"data_offsets":[0,16],"dtype":"F32")"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path()),
                          std::filesystem::directory_iterator()),
            1);
}

TEST_F(Safetensors, RefusesToWriteWhatItCouldNotRead) {
  EXPECT_THAT(error_text<ShapeError>([&] {
                write_safetensors(path_, {}, {{"t", {StoredType::f32, Shape{2}, {}}}});
              }),
              HasSubstr("tensor \"t\" of shape (2) and dtype F32 with 0 bytes"));
  EXPECT_THROW(write_safetensors(path_, {}, {{"__metadata__", {StoredType::u8, Shape{0}, {}}}}),
               ShapeError);
  EXPECT_THAT(error_text<FileError>([&] {
                write_safetensors(path_, {{"a", "\xff"}}, {});
              }),
              HasSubstr("is not UTF-8"));
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_THAT(error_text<WriteError>([&] { write_safetensors(folder_ / "no/file", {}, {}); }),
              HasSubstr("no/file"));
}

// Whatever is done to a file, reading it either works or throws a FileError.
TEST_F(Safetensors, SurvivesDamage) {
  write_safetensors(path_, {{"arch", "resnet20"}}, some_tensors());
  const std::string good = read_bytes(path_);
  std::mt19937_64 random(20240607);
  const auto below = [&random](std::size_t limit) { return random() % limit; };
  int refused = 0;
  constexpr int trials = 2000;
  for (int trial = 0; trial < trials; ++trial) {
    std::string bytes = good;
    const std::size_t changes = 1 + below(4);
    for (std::size_t change = 0; change < changes && !bytes.empty(); ++change) {
      const std::size_t at = below(bytes.size());
      switch (below(5)) {
        case 0:  // flip a bit
          bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
          break;
        case 1:  // replace by a character that means something to the parser
          bytes[at] = "0123456789{}[]\",:-.e\\"[below(21)];
          break;
        case 2:  // cut off
          bytes.resize(at);
          break;
        case 3:  // repeat a piece
          bytes.insert(at, bytes.substr(at, below(20)));
          break;
        default:  // drop a piece
          bytes.erase(at, below(20));
      }
    }
    try {
      const SafetensorsFile file = read(bytes);
      for (const auto& [name, tensor] : file.tensors) {
        EXPECT_EQ(std::ssize(tensor.bytes), tensor.shape.size() * size_bytes(tensor.type));
      }
    } catch (const FileError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, trials / 2);
  EXPECT_LT(refused, trials);
}

TEST(SafetensorsWeights, ReadsTheSharedNetworks) {
  const std::filesystem::path folder = shared_folder() / "weights";
  if (!std::filesystem::is_directory(folder)) GTEST_SKIP() << "there is no " << folder;
  for (const char* arch : {"resnet20", "resnet56"}) {
    const auto path = folder / (std::string(arch) + "-cifar10.safetensors");
    const SafetensorsFile file = read_safetensors(path);
    EXPECT_EQ(file.metadata.at("arch"), arch);
    EXPECT_EQ(file.floats("conv1.weight").shape(), (Shape{16, 3, 3, 3}));
    EXPECT_EQ(file.floats("bn1.running_var").shape(), Shape{16});
    EXPECT_EQ(file.floats("linear.weight").shape(), (Shape{10, 64}));
    for (const auto& [name, tensor] : file.tensors) {
      if (tensor.type != StoredType::f32) continue;
      const Tensor values = file.floats(name);
      for (float value : values.values()) ASSERT_TRUE(std::isfinite(value)) << name;
    }
    // Writing it again and reading that gives the same elements.
    const TemporaryFolder copies;
    write_safetensors(copies / "copy", file.metadata, file.tensors);
    const SafetensorsFile copy = read_safetensors(copies / "copy");
    EXPECT_EQ(copy.metadata, file.metadata);
    for (const auto& [name, tensor] : file.tensors) EXPECT_EQ(copy.at(name).bytes, tensor.bytes);
  }
}

}  // namespace
}  // namespace trifold::engine
