/// The launches of a convolution in groups, as kernels/cuda/grouped_conv2d.cu makes them: a dense one
/// for each block of groups, and what copies slices and weights around it.
#pragma once

#include "bench/launch_list.h"
#include "kernels/grouped_conv2d.h"

namespace trifold::bench {

void add_grouped_forward(LaunchList& list, const kernels::GroupedConv2dShape& s, const Array& x,
                         const Array& w, const Array& y);
/// Reads what dx already holds where it `adds`.
void add_grouped_backward_data(LaunchList& list, const kernels::GroupedConv2dShape& s,
                               const Array& dy, const Array& w, const Array& dx, bool adds);
void add_grouped_backward_weight(LaunchList& list, const kernels::GroupedConv2dShape& s,
                                 const Array& x, const Array& dy, const Array& dw);

}  // namespace trifold::bench
