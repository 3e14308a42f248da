#include "bench/kernels/conv2d_shapes.h"

#include <fmt/format.h>

#include <fstream>
#include <set>
#include <sstream>

#include "bench/input_pixels.h"
#include "kernels/runtime/error.h"

namespace trifold::bench {

using kernels::Conv2dShape;

std::vector<Conv2dShape> read_conv2d_shapes(const std::vector<std::string>& files) {
  std::vector<Conv2dShape> shapes;
  std::set<std::string> seen;
  for (const std::string& path : files) {
    std::ifstream file(path);
    require<FileError>(file.is_open(), "{} can't be read; name a shape file", path);
    for (std::string line; std::getline(file, line);) {
      if (line.empty() || line[0] == '#') continue;
      Conv2dShape s{};
      std::istringstream in(line);
      in >> s.n >> s.h >> s.w >> s.c >> s.k >> s.r >> s.s >> s.stride_h >> s.pad_h;
      require<FileError>(!in.fail() && (in >> std::ws).eof(),
                         "{}: '{}' is not a shape, n h w c k r s stride pad", path, line);
      s.stride_w = s.stride_h;
      s.pad_w = s.pad_h;
      kernels::check(s);
      if (seen.insert(conv2d_name(s)).second) shapes.push_back(s);
    }
  }
  return shapes;
}

std::string image_name(std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t c) {
  return fmt::format("n{}_{}x{}x{}", n, h, w, c);
}

std::string conv2d_name(const Conv2dShape& s) {
  return fmt::format("{}_k{}_{}x{}s{}p{}", image_name(s.n, s.h, s.w, s.c), s.k, s.r, s.s,
                     s.stride_h, s.pad_h);
}

Work conv2d_work(const Conv2dShape& s, Pass pass) {
  const std::int64_t x = pass == Pass::backward_data ? s.x_size() : input_pixels(s) * s.c;
  Work work = traffic(x + s.w_size() + s.y_size());
  work.flops = 2.0 * static_cast<double>(s.y_size() * s.r * s.s * s.c);
  return work;
}

}  // namespace trifold::bench
