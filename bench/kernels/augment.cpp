/// Images from bytes to floats: cropped, mirrored and normalised.
#include <memory>

#include "bench/kernels/arrays.h"
#include "bench/kernels/conv2d_shapes.h"
#include "bench/kernels/rows.h"
#include "kernels/augment.h"

namespace trifold::bench {
namespace {

struct Images {
  explicit Images(const kernels::AugmentShape& s)
      : bytes(static_cast<std::size_t>(s.n * s.h * s.w * s.c)),
        table(noise(256 * s.c)),
        crops(static_cast<std::size_t>(s.n)) {
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i);
    for (std::size_t i = 0; i < crops.size(); ++i) {
      const auto turn = static_cast<std::int32_t>(i);
      crops[i] = {turn % 9 - 4, turn / 9 % 9 - 4, turn % 2};
    }
  }

  std::vector<std::uint8_t> bytes;
  std::vector<float> table;
  std::vector<kernels::Crop> crops;
};

void add_images(const Suite& suite, std::int64_t n, std::int64_t side) {
  const kernels::AugmentShape s{n, side, side, 3};
  const std::int64_t count = s.n * s.h * s.w * s.c;
  const auto bytes = static_cast<double>(count) * (1 + sizeof(float));
  suite.add({"augment", image_name(n, side, side, 3), "", {0, bytes}},
            [=](const kernels::Exec& ex) {
              const auto images = std::make_shared<Images>(s);
              return [=] {
                kernels::augment(ex, s, images->bytes.data(), images->crops.data(),
                                 images->table.data(), cold_output(count));
              };
            });
}

}  // namespace

void add_augment_rows(const Suite& suite) {
  add_images(suite, 128, 32);
  add_images(suite, 64, 224);
}

}  // namespace trifold::bench
