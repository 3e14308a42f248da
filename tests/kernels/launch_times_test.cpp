#include "kernels/cuda/launch_times.h"

#include "kernels/elementwise.h"
#include "tests/kernels/support_device.h"
#include "tests/kernels/support_ops.h"

namespace trifold::kernels {
namespace {

#if TRIFOLD_WITH_CUDA
TEST(LaunchTimes, CountsTheLaunchesInBetweenByName) {
  if (test::devices().size() < 2) GTEST_SKIP() << "there is no GPU";
  const Device device = test::devices()[1];
  const Exec ex{.device = device};
  const test::DeviceArray<float> x(device, test::nans(8));
  const auto run = [&] {
    fill(ex, 8, 1.0f, x.data());
    scale(ex, 8, 2.0f, x.data(), x.data());
    fill(ex, 8, 3.0f, x.data());
  };
  run();
  cuda::start_launch_times();
  run();
  const auto times = cuda::stop_launch_times(device);
  EXPECT_EQ(times.at("fill").launches, 2);
  EXPECT_EQ(times.at("scale").launches, 1);
  EXPECT_EQ(times.size(), 2u);
  for (const auto& [kernel, sum] : times) EXPECT_GE(sum.seconds, 0.0) << kernel;
  run();
  EXPECT_TRUE(cuda::stop_launch_times(device).empty()) << "launches that nobody times";
}
#endif

}  // namespace
}  // namespace trifold::kernels
