#include "kernels/collective.h"

#include <vector>

#include "kernels/elementwise.h"
#include "kernels/runtime/memory.h"
#include "kernels/runtime/scratch.h"
#if TRIFOLD_WITH_CUDA
#include "kernels/cuda/nccl_links.h"
#endif

namespace trifold::kernels {
Collective::Collective(std::unique_ptr<Links> links) : links_(std::move(links)) {}

// In both sums the two ends add the same two numbers, and which comes first makes no difference.

void Collective::sum(std::span<double> x) const {
  std::vector<double> received(x.size());
  for (int bit = 1; bit < ranks(); bit *= 2) {
    links_->exchange(rank() ^ bit, x.data(), received.data(), std::ssize(x) * 8);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += received[i];
  }
}

void Collective::sum(const Exec& ex, std::int64_t count, float* x) const {
  if (count == 0 || ranks() == 1) return;
  const Scratch<float> received(ex, count);
  for (int bit = 1; bit < ranks(); bit *= 2) {
    exchange(ex, rank() ^ bit, x, received.data(), count);
    add(ex, count, x, received.data(), x);
  }
}

void Collective::exchange(const Exec& ex, int peer, const float* out, float* in,
                          std::int64_t count) const {
  const std::int64_t bytes = count * std::int64_t{sizeof(float)};
  if (ex.device.kind == DeviceKind::cpu) return links_->exchange(peer, out, in, bytes);
  if (gpu_links_) return gpu_links_->exchange(peer, out, in, bytes, ex.stream);
  std::vector<float> sent(static_cast<std::size_t>(count)), received(sent.size());
  copy_memory(Device{}, sent.data(), ex.device, out, bytes, ex.stream);
  links_->exchange(peer, sent.data(), received.data(), bytes);
  copy_memory(ex.device, in, Device{}, received.data(), bytes, ex.stream);
}

// Of numbers that aren't all equal one is above the mean. Sums of whole numbers are exact.
bool Collective::all_equal(std::uint32_t number) const {
  double total = number;
  sum(std::span<double>(&total, 1));
  double above = static_cast<double>(number) * ranks() > total ? 1 : 0;
  sum(std::span<double>(&above, 1));
  return above == 0;
}

bool Collective::link_gpus([[maybe_unused]] Device device) {
#if TRIFOLD_WITH_CUDA
  gpu_links_ = cuda::nccl_links(*this, *links_, device);
#endif
  return gpu_links_ != nullptr;
}

}  // namespace trifold::kernels
