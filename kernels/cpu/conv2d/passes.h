/// The three passes of a convolution, by the algorithm that algorithm.h chooses, with what happens
/// to their operands as they are read and to their results as they are written. The contracts are
/// made of them: kernels/conv2d.h and kernels/norm_conv2d.h.
#pragma once

#include <memory>
#include <vector>

#include "kernels/conv2d.h"
#include "kernels/conv2d_phase.h"
#include "kernels/cpu/conv2d/panels.h"
#include "kernels/cpu/scratch.h"

namespace trifold::kernels::cpu {

/// y = [relu](b + convolution of the operand with w [+ addend]).
void forward_pass(const Exec& ex, const Conv2dShape& s, const Operand& operand, const float* w,
                  const Epilogue& epilogue, float* y);

/// The same with weights that conv2d_pack has packed.
void packed_forward_pass(const Exec& ex, const Conv2dShape& s, const Operand& operand,
                         const float* packed, const Epilogue& epilogue, float* y);

/// The data gradient, of some images of the batch at a time.
class DataGradient {
 public:
  /// Packs w into `scratch`, which nothing else uses meanwhile.
  DataGradient(const Exec& ex, const Conv2dShape& s, const float* w, Scratch& scratch);

  /// dx of `images` images, worked by one thread if `one_thread`, plus `addend` unless null, which
  /// may be dx. `parts`, unless null, is started and applied to parts once or several times, one
  /// time after the other; of inputs that no window reaches it is applied to those that have an
  /// addend, for the gradient of the others is zero.
  void run(const Exec& ex, std::int64_t images, bool one_thread, const float* dy,
           const float* addend, PartEpilogue* parts, float* dx) const;

 private:
  /// The inputs of one phase of rows and of columns, and the weights that reach them.
  struct PackedPhase {
    Conv2dPhase<std::int64_t> rows, columns;
    const float* packed;
  };
  Conv2dShape s_;
  bool winograd_;
  std::vector<PackedPhase> phases_;
};

/// The weight gradient, added up over some images of the batch at a time.
class WeightGradient {
 public:
  virtual ~WeightGradient() = default;
  /// operand and dy begin with the first of these images. A deferred dy is evaluated, and written
  /// to `stored_dy` for the data gradient; that is null where dy isn't deferred.
  virtual void add(const Exec& ex, std::int64_t images, const Operand& operand,
                   const OutputGradient& dy, float* stored_dy) = 0;
  /// dw = the sum.
  virtual void finish(const Exec& ex, float* dw) = 0;
};

/// For at most `images` at a time, worked by one thread if `one_thread`. How it is cut depends on
/// these and on the shape. The sums lie in `scratch`, which nothing else uses meanwhile.
std::unique_ptr<WeightGradient> weight_gradient(const Conv2dShape& s, std::int64_t images,
                                                bool one_thread, Scratch& scratch);

/// The correlation that the forward pass is, whose operand the weights' gradient reads again.
Correlation forward_correlation(const Conv2dShape& s);

}  // namespace trifold::kernels::cpu
