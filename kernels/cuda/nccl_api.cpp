#include "kernels/cuda/nccl_api.h"

#include <cstdlib>
#include <optional>
#include <string_view>
#include <type_traits>

#ifdef SIMT_EMULATED
#include "kernels/simt/nccl.h"
#else
#include <dlfcn.h>
#endif

namespace trifold::kernels::cuda {
namespace {

void* symbol(const char* name) {
#ifdef SIMT_EMULATED
  return simt::nccl_symbol(name);
#else
  static void* const library = ::dlopen("libnccl.so.2", RTLD_NOW | RTLD_LOCAL);
  return library == nullptr ? nullptr : ::dlsym(library, name);
#endif
}

std::optional<NcclApi> load() {
  const char* const wanted = std::getenv("TRIFOLD_NCCL");
  if (wanted != nullptr && std::string_view(wanted) == "0") return std::nullopt;
  NcclApi api{};
  bool complete = true;
  const auto find = [&](auto& function, const char* name) {
    void* const address = symbol(name);
    complete = complete && address != nullptr;
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(address);
  };
  find(api.get_error_string, "ncclGetErrorString");
  find(api.get_unique_id, "ncclGetUniqueId");
  find(api.comm_init_rank, "ncclCommInitRank");
  find(api.comm_destroy, "ncclCommDestroy");
  find(api.comm_abort, "ncclCommAbort");
  find(api.comm_get_async_error, "ncclCommGetAsyncError");
  find(api.group_start, "ncclGroupStart");
  find(api.group_end, "ncclGroupEnd");
  find(api.send, "ncclSend");
  find(api.recv, "ncclRecv");
  if (!complete) return std::nullopt;
  return api;
}

}  // namespace

const NcclApi* nccl_api() {
  static const std::optional<NcclApi> api = load();
  return api ? &*api : nullptr;
}

}  // namespace trifold::kernels::cuda
