#include "engine/tensor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <limits>

#include "kernels/runtime/error.h"
#include "tests/engine/support.h"
#include "tests/engine/tensors.h"

namespace trifold::engine {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr Device missing{DeviceKind::cuda, 99};

TEST(Shape, CountsElementsAndRows) {
  const Shape shape{2, 3, 5, 7};
  EXPECT_EQ(shape.rank(), 4);
  EXPECT_EQ(shape.size(), 210);
  EXPECT_EQ(shape.channels(), 7);
  EXPECT_EQ(shape.rows(), 30);
  EXPECT_EQ(shape[2], 5);
  EXPECT_EQ(to_string(shape), "(2, 3, 5, 7)");
  EXPECT_EQ(shape, (Shape{2, 3, 5, 7}));
  EXPECT_FALSE(shape == (Shape{2, 3, 35}));
}

TEST(Shape, HasOneElementAtRankZeroAndNoneWithAZeroExtent) {
  EXPECT_EQ(Shape().size(), 1);
  EXPECT_EQ(to_string(Shape()), "()");
  EXPECT_EQ((Shape{4, 0}).size(), 0);
  EXPECT_EQ((Shape{4, 0}).rows(), 0);
}

TEST(Shape, RefusesWhatCanNotBeCounted) {
  constexpr std::int64_t large = std::int64_t{1} << 31;
  EXPECT_EQ((Shape{large, large - 1}).size(), large * (large - 1));
  EXPECT_THAT(error_text<ShapeError>([&] { Shape{large, large}; }), HasSubstr("2^62"));
  EXPECT_THAT(error_text<ShapeError>([] {
                Shape{std::numeric_limits<std::int64_t>::max(), std::int64_t{2}};
              }),
              HasSubstr("2^62"));
  EXPECT_THAT(error_text<ShapeError>([] { Shape{2, -1}; }), HasSubstr("(2, -1) has a negative"));
  EXPECT_THAT(error_text<ShapeError>([] { Shape().channels(); }), HasSubstr("rank 0"));
  EXPECT_THROW(Shape().rows(), ShapeError);
}

TEST(Tensor, HoldsWhatItIsMadeOf) {
  EXPECT_THAT(Tensor::zeros({2, 2}).values(), Each(0.0f));
  EXPECT_THAT(Tensor::zeros({3}, {}, DType::i32).int_values(), Each(0));
  EXPECT_THAT(Tensor::filled({3}, 2.5f).values(), Each(2.5f));
  EXPECT_THAT(Tensor::from({2}, std::array{1.0f, 2.0f}).values(), ElementsAre(1.0f, 2.0f));
  EXPECT_THAT(Tensor::from({2}, std::array<std::int32_t, 2>{3, -4}).int_values(),
              ElementsAre(3, -4));
  EXPECT_EQ(Tensor::zeros({3}, {}, DType::i32).bytes(), 12);
  EXPECT_EQ(Tensor::empty({0}).size(), 0);
}

TEST(Tensor, SharesItsMemoryWithCopiesButNotWithClones) {
  const Tensor a = Tensor::filled({2, 3}, 1.0f);
  const Tensor copy = a, flat = a.reshaped({6}), clone = a.clone();
  a.values()[4] = 7.0f;
  EXPECT_EQ(copy.values()[4], 7.0f);
  EXPECT_EQ(flat.values()[4], 7.0f);
  EXPECT_EQ(flat.shape(), Shape{6});
  EXPECT_EQ(clone.values()[4], 1.0f);
  EXPECT_EQ(clone.shape(), a.shape());
}

TEST(Tensor, RefusesWrongSizesAndTypes) {
  EXPECT_THAT(error_text<ShapeError>([] {
                Tensor::from({3}, std::array{1.0f, 2.0f});
              }),
              HasSubstr("2 values for a tensor of shape (3)"));
  EXPECT_THROW(Tensor::from({1}, std::array<std::int32_t, 2>{1, 2}), ShapeError);
  EXPECT_THAT(error_text<ShapeError>([] {
                Tensor::zeros({2, 3}).reshaped({5});
              }),
              HasSubstr("(2, 3) can't be seen as (5)"));
  EXPECT_THROW(Tensor::zeros({1}).ints(), ShapeError);
  EXPECT_THROW(Tensor::zeros({1}, {}, DType::i32).data(), ShapeError);
  EXPECT_THROW(Tensor::zeros({1}).int_values(), ShapeError);
  // 2^61 elements can be counted, their bytes can't.
  EXPECT_THAT(error_text<ShapeError>([] { Tensor::empty({std::int64_t{1} << 61}); }),
              HasSubstr("2^63 bytes"));
}

TEST(Tensor, RefusesToUseAnUndefinedOne) {
  const Tensor none;
  EXPECT_FALSE(none.defined());
  EXPECT_THROW(none.data(), ShapeError);
  EXPECT_THROW(none.ints(), ShapeError);
  EXPECT_THROW(none.values(), ShapeError);
  EXPECT_THROW(none.device(), ShapeError);
  EXPECT_THROW(none.clone(), ShapeError);
  EXPECT_THROW(none.to({}), ShapeError);
}

TEST(Tensor, RefusesADeviceThatIsNotThere) {
  EXPECT_THAT(error_text<DeviceError>([] { Tensor::empty({1}, missing); }), HasSubstr("CUDA"));
  EXPECT_THROW(Tensor::zeros({1}).to(missing), DeviceError);
  EXPECT_THROW(memory_use(missing), DeviceError);
  EXPECT_THROW(reset_memory_peak(missing), DeviceError);
  EXPECT_THROW(release_cached_memory(missing), DeviceError);
}

class TensorOn : public testing::TestWithParam<Device> {};
INSTANTIATE_TEST_SUITE_P(Devices, TensorOn, testing::ValuesIn(devices()), name_of);

TEST_P(TensorOn, HoldsWhatItIsMadeOf) {
  EXPECT_EQ(Tensor::empty({0}, GetParam()).size(), 0);
  EXPECT_EQ(Tensor::zeros({2, 2}, GetParam()).device(), GetParam());
  EXPECT_THAT(doubles(Tensor::zeros({2, 2}, GetParam())), Each(0.0));
  EXPECT_THAT(doubles(Tensor::filled({3}, 2.5f, GetParam())), Each(2.5));
  EXPECT_THAT(doubles(Tensor::from({2}, std::array{1.0f, 2.0f}, GetParam())), ElementsAre(1, 2));
  const Tensor ints = Tensor::from({2}, std::array<std::int32_t, 2>{3, -4}, GetParam());
  EXPECT_THAT(ints.to(Device{}).int_values(), ElementsAre(3, -4));
}

TEST_P(TensorOn, GoesToADeviceAndBack) {
  const Tensor host = uniform({5, 7}, 1);
  const Tensor there = host.to(GetParam()), clone = there.clone();
  EXPECT_EQ(there.device(), GetParam());
  EXPECT_EQ(clone.device(), GetParam());
  EXPECT_NE(clone.data(), there.data());
  EXPECT_EQ(doubles(there), doubles(host));
  EXPECT_EQ(doubles(clone), doubles(host));
  EXPECT_EQ(there.reshaped({35}).data(), there.data());
  if (GetParam() == Device{}) return;
  EXPECT_THAT(error_text<DeviceError>([&] { there.values(); }), HasSubstr("copied to the CPU"));
}

std::int64_t bytes_in_use() { return memory_use(Device{}).now_bytes; }

TEST(Buffer, IsAligned) {
  for (std::int64_t bytes : {0, 1, 63, 64, 65, 1000}) {
    const Buffer buffer(Device{}, bytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % 64, 0u);
    EXPECT_EQ(buffer.bytes(), bytes);
  }
}

TEST(Buffer, MovesItsMemory) {
  const std::int64_t before = bytes_in_use();
  Buffer a(Device{}, 100);
  void* const memory = a.data();
  Buffer b(std::move(a));
  EXPECT_EQ(b.data(), memory);
  EXPECT_EQ(b.bytes(), 100);
  EXPECT_EQ(a.data(), nullptr);
  EXPECT_EQ(a.bytes(), 0);

  Buffer c(Device{}, 200);
  EXPECT_EQ(bytes_in_use() - before, 300);
  c = std::move(b);  // frees what c held
  EXPECT_EQ(c.data(), memory);
  EXPECT_EQ(b.data(), nullptr);
  EXPECT_EQ(bytes_in_use() - before, 100);
  Buffer& same = c;
  c = std::move(same);
  EXPECT_EQ(c.data(), memory);
  EXPECT_EQ(bytes_in_use() - before, 100);
  c = Buffer();
  EXPECT_EQ(bytes_in_use(), before);
}

TEST(Buffer, KeepsAnAccount) {
  const std::int64_t before = bytes_in_use();
  reset_memory_peak(Device{});
  {
    const Buffer a(Device{}, 1000);
    { const Buffer b(Device{}, 500); }
    EXPECT_EQ(bytes_in_use() - before, 1000);
    EXPECT_EQ(memory_use(Device{}).peak_bytes - before, 1500);
    reset_memory_peak(Device{});
    EXPECT_EQ(memory_use(Device{}).peak_bytes - before, 1000);
  }
  EXPECT_EQ(bytes_in_use(), before);
  EXPECT_EQ(memory_use(Device{}).peak_bytes - before, 1000);
}

TEST(Buffer, ReusesFreedBlocksOfAboutItsSize) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "sanitizer builds don't reuse blocks";
#endif
  release_cached_memory(Device{});
  constexpr std::int64_t bytes = 1 << 20;
  void* freed = nullptr;
  {
    const Buffer buffer(Device{}, bytes);
    freed = buffer.data();
  }
  {
    const Buffer much_smaller(Device{}, bytes / 2);
    EXPECT_NE(much_smaller.data(), freed);
    const Buffer larger(Device{}, bytes + 1);
    EXPECT_NE(larger.data(), freed);
    const Buffer a_little_smaller(Device{}, bytes - bytes / 16);
    EXPECT_EQ(a_little_smaller.data(), freed);
  }
  release_cached_memory(Device{});
}

TEST(Buffer, SaysWhenMemoryRunsOut) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers end the program when an allocation is too large";
#endif
  const std::int64_t before = bytes_in_use();
  EXPECT_THAT(error_text<MemoryError>([] { Buffer(Device{}, std::int64_t{1} << 60); }),
              HasSubstr("out of memory"));
  EXPECT_EQ(bytes_in_use(), before);
}

}  // namespace
}  // namespace trifold::engine
