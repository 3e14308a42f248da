/// The functions of NCCL that are used, found when a program runs: it needs no NCCL to be built or to
/// start. Plain C++, no CUDA.
///
/// Source    nccl.h of NCCL 2; test tests/kernels/nccl_api_test.cpp holds this against it.
#pragma once

#include <array>
#include <cstddef>

struct CUstream_st;

namespace trifold::kernels::cuda {

struct NcclUniqueId {
  std::array<char, 128> bytes;
};
struct NcclComm;  ///< never defined

constexpr int nccl_success = 0, nccl_remote_error = 6, nccl_in_progress = 7;  // of ncclResult_t
constexpr int nccl_int8 = 0;                                                  // of ncclDataType_t

struct NcclApi {
  const char* (*get_error_string)(int result);
  int (*get_unique_id)(NcclUniqueId* id);
  int (*comm_init_rank)(NcclComm** comm, int ranks, NcclUniqueId id, int rank);
  int (*comm_destroy)(NcclComm* comm);
  int (*comm_abort)(NcclComm* comm);
  int (*comm_get_async_error)(NcclComm* comm, int* result);
  int (*group_start)();
  int (*group_end)();
  int (*send)(const void* data, std::size_t count, int type, int peer, NcclComm* comm,
              CUstream_st* stream);
  int (*recv)(void* data, std::size_t count, int type, int peer, NcclComm* comm,
              CUstream_st* stream);
};

/// Null where there is no libnccl.so.2, or TRIFOLD_NCCL=0 says to do without it.
const NcclApi* nccl_api();

}  // namespace trifold::kernels::cuda
