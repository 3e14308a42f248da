/// A stand-in for NCCL: exchanges between processes, or threads, of one machine, each of which takes
/// itself for a GPU.
#pragma once

#include <string_view>

namespace simt {

/// NCCL's function of this name, with its signature; null where it isn't emulated. Emulated are:
/// ncclGetErrorString, ncclGetUniqueId, ncclCommInitRank, ncclCommDestroy, ncclCommAbort,
/// ncclCommGetAsyncError, ncclGroupStart, ncclGroupEnd, ncclSend and ncclRecv, of ncclInt8 alone. As
/// NCCL does, ncclCommInitRank refuses two ranks that have set the same device, and a send waits for
/// its receive, so that both belong into one group where ranks exchange.
void* nccl_symbol(std::string_view name);

}  // namespace simt
