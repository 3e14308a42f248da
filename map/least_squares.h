/// Ridge least squares by orthogonal factorisation (internal: it shows Eigen).
#pragma once

#include <Eigen/Dense>
#include <cmath>

namespace trifold::map {

/// The system whose least-squares solution minimises |A c - y|^2 + weight |c|^2: A over
/// sqrt(weight) I. Forming A^T A instead would square the condition number.
inline Eigen::MatrixXd with_ridge(const Eigen::MatrixXd& a, double weight) {
  Eigen::MatrixXd stacked(a.rows() + a.cols(), a.cols());
  stacked << a, Eigen::MatrixXd::Identity(a.cols(), a.cols()) * std::sqrt(weight);
  return stacked;
}

/// y over zeros, the right-hand side that goes with with_ridge().
inline Eigen::VectorXd with_zeros(const Eigen::VectorXd& y, Eigen::Index zeros) {
  Eigen::VectorXd stacked(y.size() + zeros);
  stacked << y, Eigen::VectorXd::Zero(zeros);
  return stacked;
}

}  // namespace trifold::map
