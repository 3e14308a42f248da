/// Non-negative least squares against known solutions, brute force over supports, and KKT.
#include "map/nnls.h"

#include <gtest/gtest.h>

#include "map/error.h"
#include "tests/map/test_support.h"

namespace trifold::map {
namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

MatrixXd random_matrix(std::mt19937_64& random, int rows, int cols) {
  MatrixXd a(rows, cols);
  for (double& x : a.reshaped()) x = testing::uniform(random, -1, 1);
  return a;
}

/// The least |A x - b| over every support whose normal equations have a non-negative solution.
double brute_force(const MatrixXd& a, const VectorXd& b) {
  double best = b.norm();
  for (int support = 1; support < (1 << a.cols()); ++support) {
    std::vector<int> columns;
    for (int j = 0; j < a.cols(); ++j) {
      if (support >> j & 1) columns.push_back(j);
    }
    const MatrixXd part = a(Eigen::all, columns);
    const VectorXd x = (part.transpose() * part).ldlt().solve(part.transpose() * b);
    if (x.minCoeff() >= 0) best = std::min(best, (part * x - b).norm());
  }
  return best;
}

TEST(Nnls, KnownSolutions) {
  // The unconstrained solution (-1, 2) of an orthogonal problem is cut at 0.
  EXPECT_EQ(nnls(MatrixXd::Identity(2, 2), Eigen::Vector2d(-1, 2)), Eigen::Vector2d(0, 2));
  EXPECT_EQ(nnls(MatrixXd::Identity(2, 2), Eigen::Vector2d(-1, -2)), Eigen::Vector2d(0, 0));
  // Columns (1, 1) and (1, 0), b = (0, 1): unconstrained (1, -1); with the second at 0, (1/2, 0).
  const MatrixXd a{{1, 1}, {1, 0}};
  const VectorXd x = nnls(a, Eigen::Vector2d(0, 1));
  EXPECT_NEAR(x[0], 0.5, 1e-15);
  EXPECT_EQ(x[1], 0);
}

TEST(Nnls, MatchesBruteForceAndMeetsKkt) {
  std::mt19937_64 random(11);
  int bound = 0;
  for (int trial = 0; trial < 300; ++trial) {
    SCOPED_TRACE(trial);
    const int cols = 1 + trial % 6;
    const MatrixXd a = random_matrix(random, 4 + trial % 7, cols);
    const VectorXd b = random_matrix(random, int(a.rows()), 1);
    if (a.rows() < cols) continue;
    const VectorXd x = nnls(a, b);
    EXPECT_GE(x.minCoeff(), 0);
    EXPECT_NEAR((a * x - b).norm(), brute_force(a, b), 1e-10);
    const VectorXd gradient = a.transpose() * (b - a * x);
    for (int j = 0; j < cols; ++j) {
      EXPECT_LE(gradient[j], 1e-10);
      if (x[j] > 0) {
        EXPECT_NEAR(gradient[j], 0, 1e-10);
      }
      bound += x[j] == 0;
    }
  }
  EXPECT_GT(bound, 100);
}

TEST(Nnls, DependentColumnsStillReachTheMinimum) {
  std::mt19937_64 random(12);
  for (int trial = 0; trial < 50; ++trial) {
    MatrixXd a(8, 4);
    a.leftCols(2) = random_matrix(random, 8, 2);
    a.col(2) = a.col(0);
    a.col(3).setZero();
    const VectorXd b = random_matrix(random, 8, 1);
    const VectorXd x = nnls(a, b);
    EXPECT_GE(x.minCoeff(), 0);
    EXPECT_NEAR((a * x - b).norm(), brute_force(a.leftCols(2), b), 1e-10);
  }
}

TEST(Nnls, RefusesWhatIsNotFinite) {
  MatrixXd a = MatrixXd::Identity(2, 2);
  EXPECT_THROW(nnls(a, Eigen::Vector2d(NAN, 1)), FitError);
  a(0, 1) = INFINITY;
  EXPECT_THROW(nnls(a, Eigen::Vector2d(1, 1)), FitError);
}

}  // namespace
}  // namespace trifold::map
