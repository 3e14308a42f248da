/// What is declared of NCCL here, held against its own header.
#include "kernels/cuda/nccl_api.h"

#include <gtest/gtest.h>

#if TRIFOLD_WITH_CUDA && !defined(SIMT_EMULATED) && __has_include(<nccl.h>)
#include <nccl.h>

#include <string_view>
#include <type_traits>

namespace trifold::kernels::cuda {
namespace {

// Of two types of functions, whether each parameter and the result are passed in the same way.
template <class A, class B>
constexpr bool same_word =
    sizeof(A) == sizeof(B) && std::is_pointer_v<A> == std::is_pointer_v<B>&& std::is_class_v<A> ==
                                  std::is_class_v<B>;
template <class A, class B>
constexpr bool same_call = false;
template <class R, class... A, class S, class... B>
constexpr bool same_call<R (*)(A...), S (*)(B...)> = same_word<R, S> && (same_word<A, B> && ...);

static_assert(sizeof(NcclUniqueId) == sizeof(ncclUniqueId));
static_assert(nccl_success == int{ncclSuccess});
static_assert(nccl_remote_error == int{ncclRemoteError});
static_assert(nccl_in_progress == int{ncclInProgress});
static_assert(nccl_int8 == int{ncclInt8});
static_assert(same_call<decltype(NcclApi::get_error_string), decltype(&ncclGetErrorString)>);
static_assert(same_call<decltype(NcclApi::get_unique_id), decltype(&ncclGetUniqueId)>);
static_assert(same_call<decltype(NcclApi::comm_init_rank), decltype(&ncclCommInitRank)>);
static_assert(same_call<decltype(NcclApi::comm_destroy), decltype(&ncclCommDestroy)>);
static_assert(same_call<decltype(NcclApi::comm_abort), decltype(&ncclCommAbort)>);
static_assert(same_call<decltype(NcclApi::comm_get_async_error), decltype(&ncclCommGetAsyncError)>);
static_assert(same_call<decltype(NcclApi::group_start), decltype(&ncclGroupStart)>);
static_assert(same_call<decltype(NcclApi::group_end), decltype(&ncclGroupEnd)>);
static_assert(same_call<decltype(NcclApi::send), decltype(&ncclSend)>);
static_assert(same_call<decltype(NcclApi::recv), decltype(&ncclRecv)>);

TEST(NcclApi, IsFoundWhereItIsInstalled) {
  const NcclApi* const api = nccl_api();
  if (api == nullptr) GTEST_SKIP() << "there is no libnccl.so.2 where programs look for it";
  EXPECT_NE(std::string_view(api->get_error_string(ncclInvalidUsage)).find("invalid usage"),
            std::string_view::npos);
}

}  // namespace
}  // namespace trifold::kernels::cuda
#endif
