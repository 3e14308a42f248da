/// The three passes of a convolution, by the algorithm that algorithm.h chooses, with what is
/// worked on the way to and from memory. The contracts are made of them: kernels/conv2d.h and
/// kernels/norm_conv2d.h.
#pragma once

#include <memory>
#include <vector>

#include "kernels/conv2d.h"
#include "kernels/conv2d_phase.h"
#include "kernels/cpu/conv2d/panels.h"
#include "kernels/cpu/scratch.h"

namespace trifold::kernels::cpu {

/// y = [relu](b + convolution of the source with w [+ addend]).
void forward_pass(const Exec& ex, const Conv2dShape& s, const Source& source, const float* w,
                  const Finish& finish, float* y);

/// The same with weights that conv2d_pack has packed.
void packed_forward_pass(const Exec& ex, const Conv2dShape& s, const Source& source,
                         const float* packed, const Finish& finish, float* y);

/// The data gradient, of some images of the batch at a time.
class DataGradient {
 public:
  /// Packs w into `scratch`, which nobody else uses meanwhile.
  DataGradient(const Exec& ex, const Conv2dShape& s, const float* w, Scratch& scratch);

  /// dx of `images` images, worked by one thread if `alone`, plus `addend` unless null, which may be
  /// dx. `work`, unless null, is expected and given parts once or several times, one time after the
  /// other; of inputs that no window reaches it is given those that have an addend, for the gradient
  /// of the others is zero.
  void run(const Exec& ex, std::int64_t images, bool alone, const float* dy, const float* addend,
           PartWork* work, float* dx) const;

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
  /// source and dy begin with the first of these images. What dy is formed of is written to `formed`
  /// as well, which is null if dy lies there already.
  virtual void add(const Exec& ex, std::int64_t images, const Source& source,
                   const OutputGradient& dy, float* formed) = 0;
  /// dw = the sum.
  virtual void finish(const Exec& ex, float* dw) = 0;
};

/// For at most `images` at a time, worked by one thread if `alone`. How it is cut depends on these and
/// on the shape. The sums lie in `scratch`, which nobody else uses meanwhile.
std::unique_ptr<WeightGradient> weight_gradient(const Conv2dShape& s, std::int64_t images,
                                                bool alone, Scratch& scratch);

/// The correlation that the forward pass is, whose source the weights' gradient reads again.
Correlation forward_correlation(const Conv2dShape& s);

}  // namespace trifold::kernels::cpu
