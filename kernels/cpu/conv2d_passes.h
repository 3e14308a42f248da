/// The three passes of a convolution, by the algorithm that conv2d_algorithm.h chooses, with what is
/// worked on the way to and from memory. The contracts are made of them: kernels/conv2d.h and
/// kernels/norm_conv2d.h.
#pragma once

#include "kernels/conv2d.h"
#include "kernels/cpu/conv2d_panels.h"

namespace trifold::kernels::cpu {

/// y = [relu](b + convolution of the source with w [+ addend]).
void forward_pass(const Exec& ex, const Conv2dShape& s, const Source& source, const float* w,
                  const Finish& finish, float* y);

/// The same with weights that conv2d_pack has packed.
void packed_forward_pass(const Exec& ex, const Conv2dShape& s, const Source& source,
                         const float* packed, const Finish& finish, float* y);

/// dx, plus `addend` unless null, which may be dx. `work`, unless null, is expected and given parts
/// once or several times, one time after the other; of inputs that no window reaches it is given
/// those that have an addend, for the gradient of the others is zero.
void backward_data_pass(const Exec& ex, const Conv2dShape& s, const float* dy, const float* w,
                        const float* addend, PartWork* work, float* dx);

void backward_weight_pass(const Exec& ex, const Conv2dShape& s, const Source& source,
                          const float* dy, float* dw);

/// The correlation that the forward pass is, whose source the weights' gradient reads again.
Correlation forward_correlation(const Conv2dShape& s);

}  // namespace trifold::kernels::cpu
