/// Functions that the host and a GPU's kernels both call.
#pragma once

#if defined(__CUDACC__)
#define TRIFOLD_HOST_DEVICE __host__ __device__
#else
#define TRIFOLD_HOST_DEVICE
#endif
