#include "tests/oracle/winograd.h"

#include <cmath>

namespace oracle {
namespace {

using Matrix = std::vector<std::vector<double>>;

// Magnitudes of the matrices of Lavin and Gray, CVPR 2016.
const Matrix input_matrix = {{4, 0, 5, 0, 1, 0}, {0, 4, 4, 1, 1, 0}, {0, 4, 4, 1, 1, 0},
                             {0, 2, 1, 2, 1, 0}, {0, 2, 1, 2, 1, 0}, {0, 4, 0, 5, 0, 1}};
const Matrix weight_matrix = {{1. / 4, 0, 0},
                              {1. / 6, 1. / 6, 1. / 6},
                              {1. / 6, 1. / 6, 1. / 6},
                              {1. / 24, 1. / 12, 1. / 6},
                              {1. / 24, 1. / 12, 1. / 6},
                              {0, 0, 1}};
const Matrix output_matrix = {
    {1, 1, 1, 1, 1, 0}, {0, 1, 1, 2, 2, 0}, {0, 1, 1, 4, 4, 0}, {0, 1, 1, 8, 8, 1}};

Matrix transposed(const Matrix& m) {
  Matrix t(m[0].size(), std::vector<double>(m.size()));
  for (std::size_t i = 0; i < m.size(); ++i) {
    for (std::size_t j = 0; j < m[0].size(); ++j) t[j][i] = m[i][j];
  }
  return t;
}

Matrix product(const Matrix& a, const Matrix& b) {
  Matrix c(a.size(), std::vector<double>(b[0].size(), 0.0));
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t k = 0; k < b.size(); ++k) {
      for (std::size_t j = 0; j < b[0].size(); ++j) c[i][j] += a[i][k] * b[k][j];
    }
  }
  return c;
}

Matrix both_sides(const Matrix& m, const Matrix& x) {
  return product(product(m, x), transposed(m));
}

// |element (row, column)| of channel c of image n; zero outside.
double magnitude(const std::vector<float>& x, std::int64_t h, std::int64_t w, std::int64_t channels,
                 std::int64_t n, std::int64_t row, std::int64_t column, std::int64_t c) {
  if (row < 0 || row >= h || column < 0 || column >= w) return 0.0;
  return std::abs(static_cast<double>(
      x[static_cast<std::size_t>(((n * h + row) * w + column) * channels + c)]));
}

// The square of `size` pixels at (row, column).
Matrix square(const std::vector<float>& x, std::int64_t h, std::int64_t w, std::int64_t channels,
              std::int64_t n, std::int64_t row, std::int64_t column, std::int64_t c,
              std::size_t size) {
  Matrix m(size, std::vector<double>(size));
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t j = 0; j < size; ++j) {
      m[i][j] = magnitude(x, h, w, channels, n, row + static_cast<std::int64_t>(i),
                          column + static_cast<std::int64_t>(j), c);
    }
  }
  return m;
}

}  // namespace

std::vector<double> winograd_magnitude_forward(const Conv2dCase& t, const std::vector<float>& x,
                                               const std::vector<float>& w) {
  const std::int64_t p = t.p(), q = t.q();
  std::vector<double> y(static_cast<std::size_t>(t.n * p * q * t.k), 0.0);
  for (std::int64_t c = 0; c < t.c; ++c) {
    std::vector<Matrix> weights;
    for (std::int64_t f = 0; f < t.k; ++f) {
      Matrix taps(3, std::vector<double>(3));
      for (std::size_t r = 0; r < 3; ++r) {
        for (std::size_t s = 0; s < 3; ++s) {
          const auto tap = static_cast<std::int64_t>(r * 3 + s);
          taps[r][s] =
              std::abs(static_cast<double>(w[static_cast<std::size_t>((tap * t.c + c) * t.k + f)]));
        }
      }
      weights.push_back(both_sides(weight_matrix, taps));
    }
    for (std::int64_t n = 0; n < t.n; ++n) {
      for (std::int64_t row = 0; row < p; row += 4) {
        for (std::int64_t column = 0; column < q; column += 4) {
          const Matrix patch = both_sides(
              input_matrix, square(x, t.h, t.w, t.c, n, row - t.pad, column - t.pad, c, 6));
          for (std::int64_t f = 0; f < t.k; ++f) {
            Matrix points = patch;
            for (std::size_t i = 0; i < 6; ++i) {
              for (std::size_t j = 0; j < 6; ++j) {
                points[i][j] *= weights[static_cast<std::size_t>(f)][i][j];
              }
            }
            const Matrix tile = both_sides(output_matrix, points);
            for (std::int64_t i = 0; i < 4 && row + i < p; ++i) {
              for (std::int64_t j = 0; j < 4 && column + j < q; ++j) {
                y[static_cast<std::size_t>(((n * p + row + i) * q + column + j) * t.k + f)] +=
                    tile[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)];
              }
            }
          }
        }
      }
    }
  }
  return y;
}

std::vector<double> winograd_magnitude_backward_data(const Conv2dCase& t,
                                                     const std::vector<float>& dy,
                                                     const std::vector<float>& w) {
  Conv2dCase turned = t;
  turned.h = t.p();
  turned.w = t.q();
  turned.c = t.k;
  turned.k = t.c;
  turned.pad = 2 - t.pad;
  std::vector<float> taps(w.size());
  for (std::int64_t tap = 0; tap < 9; ++tap) {
    for (std::int64_t c = 0; c < t.c; ++c) {
      for (std::int64_t f = 0; f < t.k; ++f) {
        taps[static_cast<std::size_t>(((8 - tap) * t.k + f) * t.c + c)] =
            w[static_cast<std::size_t>((tap * t.c + c) * t.k + f)];
      }
    }
  }
  return winograd_magnitude_forward(turned, dy, taps);
}

std::vector<double> winograd_magnitude_backward_weight(const Conv2dCase& t,
                                                       const std::vector<float>& x,
                                                       const std::vector<float>& dy) {
  const std::int64_t p = t.p(), q = t.q();
  std::vector<double> dw(static_cast<std::size_t>(9 * t.c * t.k));
  for (std::int64_t c = 0; c < t.c; ++c) {
    for (std::int64_t f = 0; f < t.k; ++f) {
      Matrix points(6, std::vector<double>(6, 0.0));
      for (std::int64_t n = 0; n < t.n; ++n) {
        for (std::int64_t row = 0; row < p; row += 4) {
          for (std::int64_t column = 0; column < q; column += 4) {
            const Matrix patch = both_sides(
                input_matrix, square(x, t.h, t.w, t.c, n, row - t.pad, column - t.pad, c, 6));
            const Matrix tile =
                both_sides(transposed(output_matrix), square(dy, p, q, t.k, n, row, column, f, 4));
            for (std::size_t i = 0; i < 6; ++i) {
              for (std::size_t j = 0; j < 6; ++j) points[i][j] += patch[i][j] * tile[i][j];
            }
          }
        }
      }
      const Matrix taps = both_sides(transposed(weight_matrix), points);
      for (std::size_t tap = 0; tap < 9; ++tap) {
        dw[(tap * static_cast<std::size_t>(t.c) + static_cast<std::size_t>(c)) *
               static_cast<std::size_t>(t.k) +
           static_cast<std::size_t>(f)] = taps[tap / 3][tap % 3];
      }
    }
  }
  return dw;
}

}  // namespace oracle
