/// The values are tested in tests/kernels/inverted_residual_test.cpp, and in networks in
/// tests/nn/execute/folded_network_test.cpp.
#include "engine/packed_inverted_residual.h"

#include <gtest/gtest.h>

#include "kernels/runtime/error.h"
#include "tests/engine/tensors.h"

namespace trifold::engine {
namespace {

class PackedInvertedResidualOp : public testing::TestWithParam<Device> {};
INSTANTIATE_TEST_SUITE_P(Devices, PackedInvertedResidualOp, testing::ValuesIn(devices()), name_of);

TEST_P(PackedInvertedResidualOp, TakesWhatFitsAndRefusesTheRest) {
  const Device device = GetParam();
  const auto on_device = [&](const Shape& shape) { return uniform(shape, 1).to(device); };
  const auto pointwise = [&](std::int64_t c, std::int64_t k) {
    return PackedConv2d(on_device({1, 1, c, k}), on_device({k}), {});
  };
  constexpr auto relu = kernels::Activation::relu;
  const auto block = [&](std::int64_t expanded, std::int64_t depthwise) {
    return PackedInvertedResidual(
        pointwise(4, expanded), relu,
        {on_device({3, 3, depthwise}), on_device({depthwise}), {2, 2, 1, 1}, relu},
        pointwise(depthwise, 5));
  };
  const kernels::Exec ex{.device = device};
  const Tensor x = on_device({2, 9, 7, 4}), residual = on_device({2, 5, 4, 5}),
               other = on_device({2, 5, 5, 5});
  EXPECT_EQ(block(24, 24).run(ex, x, &residual, relu).shape(), (Shape{2, 5, 4, 5}));
  EXPECT_THROW(block(24, 24).run(ex, x, &other, relu), ShapeError);
  EXPECT_THROW(block(24, 24).run(ex, other, nullptr, relu), ShapeError);
  EXPECT_THROW(block(24, 23).run(ex, x, nullptr, relu), ShapeError);
}

}  // namespace
}  // namespace trifold::engine
