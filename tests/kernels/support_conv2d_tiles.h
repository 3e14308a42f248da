/// Tests of the CUDA convolutions with each tile and each precision.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <sstream>
#include <string>
#include <tuple>

#include "kernels/cuda/conv2d/plan.h"
#include "tests/kernels/support_device.h"

namespace trifold::kernels::test {

/// Forces the tile, and the kernels that have it, for the length of a test, which is skipped where
/// there is no GPU.
class EachConv2dTile : public testing::TestWithParam<std::tuple<cuda::Conv2dTile, Precision>> {
 protected:
  void SetUp() override {
    if (devices().size() < 2) GTEST_SKIP() << "there is no GPU";
    cuda::force_conv2d_tile(std::get<0>(GetParam()));
    cuda::force_conv2d_fused_backward(false);
  }
  void TearDown() override {
    cuda::release_conv2d_tile();
    cuda::release_conv2d_fused_backward();
  }

  static Precision precision() { return std::get<1>(GetParam()); }
  static Trial trial() {
    Trial t(devices()[1]);
    t.precision = precision();
    return t;
  }
};

inline auto all_conv2d_tiles_and_precisions() {
  return testing::Combine(testing::ValuesIn(cuda::all_conv2d_tiles),
                          testing::Values(Precision::fp32, Precision::tf32, Precision::bf16));
}

inline std::string name_of_tile(const testing::TestParamInfo<EachConv2dTile::ParamType>& way) {
  const cuda::Conv2dTileExtents e = cuda::extents(std::get<0>(way.param));
  constexpr std::array names{"fp32", "tf32", "bf16"};
  std::ostringstream out;
  out << "r" << e.rows << "c" << e.columns << "_"
      << names[static_cast<std::size_t>(std::get<1>(way.param))];
  return out.str();
}

}  // namespace trifold::kernels::test
