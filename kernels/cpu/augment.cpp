#include "kernels/augment.h"

#include <algorithm>

#include "kernels/cpu/ranges.h"
#include "kernels/runtime/backends.h"

// Bound by the look-ups, one a value. Work is divided by images.
namespace trifold::kernels::cpu {
namespace {

struct Pixels {
  std::int64_t c;
  const float* table;

  float* convert(const std::uint8_t* in, std::int64_t count, float* out) const {
    for (std::int64_t i = 0; i < count; ++i) {
      for (std::int64_t ch = 0; ch < c; ++ch) *out++ = table[ch * 256 + *in++];
    }
    return out;
  }

  float* convert_mirrored(const std::uint8_t* in, std::int64_t count, float* out) const {
    for (std::int64_t i = count - 1; i >= 0; --i) out = convert(in + i * c, 1, out);
    return out;
  }

  float* black(std::int64_t count, float* out) const {
    for (std::int64_t i = 0; i < count; ++i) {
      for (std::int64_t ch = 0; ch < c; ++ch) *out++ = table[ch * 256];
    }
    return out;
  }
};

void augment_image(const AugmentShape& s, const std::uint8_t* x, const Crop& crop,
                   const Pixels& pixels, float* y) {
  const std::int64_t right = crop.right;
  const std::int64_t begin = std::clamp<std::int64_t>(-right, 0, s.w);  // columns of the image
  const std::int64_t end = std::clamp<std::int64_t>(s.w - right, begin, s.w);
  const std::int64_t before = crop.mirrored != 0 ? s.w - end : begin;
  const std::int64_t after = s.w - before - (end - begin);
  for (std::int64_t i = 0; i < s.h; ++i) {
    const std::int64_t row = i + crop.down;
    if (row < 0 || row >= s.h) {
      y = pixels.black(s.w, y);
      continue;
    }
    const std::uint8_t* in = x + (row * s.w + begin + right) * s.c;
    y = pixels.black(before, y);
    y = crop.mirrored != 0 ? pixels.convert_mirrored(in, end - begin, y)
                           : pixels.convert(in, end - begin, y);
    y = pixels.black(after, y);
  }
}

}  // namespace

void augment(const Exec& ex, const AugmentShape& s, const std::uint8_t* x, const Crop* crops,
             const float* table, float* y) {
  check(s);
  const std::int64_t image = s.h * s.w * s.c;
  for_ranges(ex, s.n, grain_of(image), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      augment_image(s, x + i * image, crops[i], {s.c, table}, y + i * image);
    }
  });
}

}  // namespace trifold::kernels::cpu
