/// Working memory of the CPU kernels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace trifold::kernels::cpu {

/// Floats aligned for every vector width; the memory grows to the largest request and is kept.
class Scratch {
 public:
  /// At least `count` floats, not initialised; valid until the next call.
  float* floats(std::int64_t count) {
    if (count > capacity_) {
      memory_.reset();
      capacity_ = 0;
      memory_.reset(static_cast<float*>(::operator new (
          static_cast<std::size_t>(count) * sizeof(float), std::align_val_t{kAlignment})));
      capacity_ = count;
    }
    return memory_.get();
  }

 private:
  static constexpr std::size_t kAlignment = 64;
  struct Free {
    void operator()(float* p) const { ::operator delete (p, std::align_val_t{kAlignment}); }
  };
  std::unique_ptr<float, Free> memory_;
  std::int64_t capacity_ = 0;
};

}  // namespace trifold::kernels::cpu
