/// Work that is repeated: captured where that is possible, with the same results as without.
#include "engine/graph_capture.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "engine/tensor.h"
#include "kernels/elementwise.h"
#include "kernels/runtime/error.h"

namespace trifold::engine {
namespace {

constexpr std::int64_t count = 100;

std::vector<Device> devices() {
  std::vector<Device> all{Device{}};
  if (kernels::device_count(DeviceKind::cuda) > 0) all.push_back({DeviceKind::cuda, 0});
  return all;
}

bool keeps_memory() {
  const char* cache = std::getenv("TRIFOLD_CUDA_CACHE");
  return cache == nullptr || std::string(cache) != "0";
}

/// sum += 2 x, through a tensor that lives as long as the call.
void add_twice(Device device, const Tensor& x, const Tensor& sum) {
  const kernels::Exec ex{.device = device};
  const Tensor doubled = Tensor::empty({count}, device);
  kernels::scale(ex, count, 2, x.data(), doubled.data());
  kernels::add(ex, count, doubled.data(), sum.data(), sum.data());
}

float first_of(const Tensor& t) { return t.to(Device{}).values()[0]; }

TEST(GraphCapture, DoesTheWorkEachTimeWithTheValuesOfTheTime) {
  for (const Device device : devices()) {
    const Tensor x = Tensor::empty({count}, device), sum = Tensor::zeros({count}, device);
    GraphCapture work(device);
    int calls = 0;
    for (int i = 1; i <= 10; ++i) {
      kernels::fill({.device = device}, count, static_cast<float>(i), x.data());
      work.run([&] {
        ++calls;
        add_twice(device, x, sum);
      });
    }
    EXPECT_EQ(first_of(sum), 110);
    const bool captures = device.kind == DeviceKind::cuda && keeps_memory();
    EXPECT_EQ(work.captured(), captures) << work.obstacle();
    EXPECT_EQ(work.obstacle().empty(), captures) << work.obstacle();
    EXPECT_EQ(calls, captures ? 4 : device.kind == DeviceKind::cpu ? 10 : 11);
  }
}

TEST(GraphCapture, IsDonePlainlyWhereItCannotBeCaptured) {
  for (const Device device : devices()) {
    const Tensor x = Tensor::filled({count}, 1, device), sum = Tensor::zeros({count}, device);
    GraphCapture work(device);
    float seen = 0;
    for (int i = 1; i <= 6; ++i) {
      work.run([&] {
        add_twice(device, x, sum);
        seen = first_of(sum);  // waits for the device
      });
      EXPECT_EQ(seen, 2.0f * static_cast<float>(i));
    }
    EXPECT_FALSE(work.captured());
    EXPECT_NE(work.obstacle(), "");
  }
}

TEST(GraphCapture, PassesErrorsOn) {
  for (const Device device : devices()) {
    GraphCapture work(device);
    const auto fail = [] { throw ShapeError("no such work"); };
    for (int i = 0; i < 6; ++i) EXPECT_THROW(work.run(fail), ShapeError);
    const Tensor x = Tensor::filled({count}, 3, device);  // and the device goes on
    EXPECT_EQ(first_of(x), 3);
  }
}

}  // namespace
}  // namespace trifold::engine
