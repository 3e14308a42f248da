#include "tests/oracle/augment.h"

#include <algorithm>

namespace oracle {

std::vector<double> augment(const Images& s, const std::vector<std::uint8_t>& x,
                            const std::vector<Window>& windows, const std::vector<double>& table) {
  const auto byte = [&](std::int64_t image, std::int64_t i, std::int64_t j, std::int64_t ch) {
    const bool outside = i < 0 || j < 0 || i >= s.h || j >= s.w;
    return outside ? 0 : int{x[static_cast<std::size_t>(((image * s.h + i) * s.w + j) * s.c + ch)]};
  };
  std::vector<double> y;
  for (std::int64_t image = 0; image < s.n; ++image) {
    const Window& window = windows[static_cast<std::size_t>(image)];
    for (std::int64_t i = 0; i < s.h; ++i) {
      std::vector<std::vector<double>> row;  // pixels, left to right
      for (std::int64_t j = 0; j < s.w; ++j) {
        std::vector<double> pixel;
        for (std::int64_t ch = 0; ch < s.c; ++ch) {
          const int value = byte(image, i + window.down, j + window.right, ch);
          pixel.push_back(table[static_cast<std::size_t>(ch * 256 + value)]);
        }
        row.push_back(pixel);
      }
      if (window.mirrored) std::reverse(row.begin(), row.end());
      for (const auto& pixel : row) y.insert(y.end(), pixel.begin(), pixel.end());
    }
  }
  return y;
}

}  // namespace oracle
