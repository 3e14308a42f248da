/// What the tests of convolutions share: the shapes that they run, and what a precision costs.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "kernels/conv2d.h"
#include "kernels/runtime/exec.h"
#include "tests/oracle/conv2d.h"

namespace trifold::kernels::test {

/// The shapes of bench/shapes/conv2d_small.txt.
inline std::vector<oracle::Conv2dCase> small_conv2d_cases() {
  const std::string path = std::string(TRIFOLD_SOURCE_DIR) + "/bench/shapes/conv2d_small.txt";
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  std::vector<oracle::Conv2dCase> cases;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    oracle::Conv2dCase t{};
    std::istringstream in(line);
    in >> t.n >> t.h >> t.w >> t.c >> t.k >> t.r >> t.s >> t.stride >> t.pad;
    EXPECT_TRUE(in) << path << ": " << line;
    cases.push_back(t);
  }
  EXPECT_GE(cases.size(), 25u);
  return cases;
}

inline std::string name(const oracle::Conv2dCase& t) {
  std::ostringstream out;
  out << t.n << "x" << t.h << "x" << t.w << "x" << t.c << " to " << t.k << ", window " << t.r << "x"
      << t.s << ", stride " << t.stride << ", pad " << t.pad;
  return out.str();
}

inline Conv2dShape shape_of(const oracle::Conv2dCase& t) {
  return {.n = t.n,
          .h = t.h,
          .w = t.w,
          .c = t.c,
          .k = t.k,
          .r = t.r,
          .s = t.s,
          .stride_h = t.stride,
          .stride_w = t.stride,
          .pad_h = t.pad,
          .pad_w = t.pad};
}

/// The largest relative error of an operand that is rounded on the way to its product.
inline double operand_error(Precision precision) {
  switch (precision) {
    case Precision::fp32:
      break;
    case Precision::tf32:
      return 0x1p-11;
    case Precision::bf16:
      return 0x1p-8;
  }
  return 0;
}

}  // namespace trifold::kernels::test
