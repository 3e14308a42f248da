/// What is fused behind an op.
#pragma once

namespace trifold::kernels {

enum class Activation { none, relu };

}  // namespace trifold::kernels
