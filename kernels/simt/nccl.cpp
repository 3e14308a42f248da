/// NCCL's functions over Unix sockets.
#include "kernels/simt/nccl.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "kernels/simt/toolkit/cuda_runtime.h"

namespace simt {
namespace {

enum Result {
  success = 0,
  unhandled_cuda_error = 1,
  system_error = 2,
  invalid_argument = 4,
  invalid_usage = 5,
  remote_error = 6
};

struct UniqueId {
  std::array<char, 128> bytes;
};

// A rank's sockets to all others; `peers[own rank]` is unused.
struct Comm {
  std::vector<int> peers;

  ~Comm() {
    for (const int peer : peers) {
      if (peer >= 0) ::close(peer);
    }
  }
};

// A send or a receive of a group that is not ended yet.
struct Transfer {
  bool sends;
  const Comm* comm;
  int peer;
  std::byte* data;  // of the device
  cudaStream_t stream;
  std::vector<std::byte> bytes;  // what goes over the socket
  std::size_t done = 0;
};
thread_local std::vector<Transfer> group;

const char* get_error_string(int result) {
  switch (result) {
    case success:
      return "no error";
    case invalid_argument:
      return "invalid argument";
    case invalid_usage:
      return "invalid usage";
    case remote_error:
      return "remote process exited or there was a network error";
    default:
      return "unhandled system error";
  }
}

int get_unique_id(UniqueId* id) {
  static std::atomic<int> count = 0;
  const std::string name = std::to_string(::getpid()) + "-" + std::to_string(count++);
  *id = {};
  name.copy(id->bytes.data(), id->bytes.size() - 1);
  return success;
}

// An address of the machine, in no folder.
sockaddr_un address_of(const UniqueId& id, int rank) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = std::string("simt-nccl-") + id.bytes.data() + "-" + std::to_string(rank);
  name.copy(address.sun_path + 1, sizeof address.sun_path - 2);
  return address;
}

bool call(int socket, const sockaddr_un& address) {
  using namespace std::chrono_literals;
  for (int attempt = 0; attempt < 6000; ++attempt) {
    if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
      return true;
    }
    std::this_thread::sleep_for(10ms);
  }
  return false;
}

// Who has come, and on which device it is.
struct Hello {
  int rank, device;
};

int comm_init_rank(Comm** result, int ranks, UniqueId id, int rank) {
  if (rank < 0 || rank >= ranks) return invalid_argument;
  Hello own{.rank = rank, .device = 0};
  if (cudaGetDevice(&own.device) != cudaSuccess) return unhandled_cuda_error;
  auto comm = std::make_unique<Comm>();
  comm->peers.assign(static_cast<std::size_t>(ranks), -1);
  const int listening = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_un here = address_of(id, rank);
  const bool listens =
      ::bind(listening, reinterpret_cast<const sockaddr*>(&here), sizeof here) == 0 &&
      ::listen(listening, ranks) == 0;
  bool complete = listens, distinct = true;
  // Each calls those before it and is called by those behind it.
  for (int i = 0; i < ranks - 1 && complete; ++i) {
    const bool calls = i < rank;
    const int socket = calls ? ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)
                             : ::accept4(listening, nullptr, nullptr, SOCK_CLOEXEC);
    Hello other{};
    complete = socket >= 0 && (!calls || call(socket, address_of(id, i))) &&
               ::send(socket, &own, sizeof own, MSG_NOSIGNAL) == sizeof own &&
               ::recv(socket, &other, sizeof other, MSG_WAITALL) == sizeof other;
    if (!complete) break;
    comm->peers[static_cast<std::size_t>(other.rank)] = socket;
    distinct = distinct && other.device != own.device;
  }
  ::close(listening);
  if (!complete) return system_error;
  if (!distinct) return invalid_usage;
  *result = comm.release();
  return success;
}

int comm_destroy(Comm* comm) {
  delete comm;
  return success;
}

int comm_get_async_error(Comm*, int* result) {
  *result = success;  // a group is done, or has failed, when it is ended
  return success;
}

int group_start() {
  group.clear();
  return success;
}

int add_to_group(bool sends, void* data, std::size_t count, int type, int peer, Comm* comm,
                 cudaStream_t stream) {
  if (type != 0 || peer < 0 || static_cast<std::size_t>(peer) >= comm->peers.size()) {
    return invalid_argument;
  }
  group.push_back({.sends = sends,
                   .comm = comm,
                   .peer = peer,
                   .data = static_cast<std::byte*>(data),
                   .stream = stream,
                   .bytes = std::vector<std::byte>(count)});
  return success;
}

int send(const void* data, std::size_t count, int type, int peer, Comm* comm, cudaStream_t stream) {
  return add_to_group(true, const_cast<void*>(data), count, type, peer, comm, stream);
}

int recv(void* data, std::size_t count, int type, int peer, Comm* comm, cudaStream_t stream) {
  return add_to_group(false, data, count, type, peer, comm, stream);
}

// Moves what can be moved now; false where the other end is gone.
bool advance(Transfer& t) {
  const int socket = t.comm->peers[static_cast<std::size_t>(t.peer)];
  std::byte* const next = t.bytes.data() + t.done;
  const std::size_t left = t.bytes.size() - t.done;
  const ssize_t now = t.sends ? ::send(socket, next, left, MSG_DONTWAIT | MSG_NOSIGNAL)
                              : ::recv(socket, next, left, MSG_DONTWAIT);
  if (now > 0) t.done += static_cast<std::size_t>(now);
  return now > 0 || (now < 0 && (errno == EAGAIN || errno == EINTR));
}

// All at once, and before it returns, in place of a kernel on the stream: what is there then is what
// the stream's earlier work has left.
int group_end() {
  std::vector<Transfer> transfers = std::move(group);
  group.clear();
  for (Transfer& t : transfers) {
    if (t.sends && cudaMemcpyAsync(t.bytes.data(), t.data, t.bytes.size(), cudaMemcpyDeviceToHost,
                                   t.stream) != cudaSuccess) {
      return unhandled_cuda_error;
    }
    if (cudaStreamSynchronize(t.stream) != cudaSuccess) return unhandled_cuda_error;
  }
  for (bool all_done = false; !all_done;) {
    all_done = true;
    for (Transfer& t : transfers) {
      if (t.done == t.bytes.size()) continue;
      if (!advance(t)) return remote_error;
      all_done = all_done && t.done == t.bytes.size();
    }
    if (!all_done) std::this_thread::yield();
  }
  for (Transfer& t : transfers) {
    if (!t.sends && cudaMemcpyAsync(t.data, t.bytes.data(), t.bytes.size(), cudaMemcpyHostToDevice,
                                    t.stream) != cudaSuccess) {
      return unhandled_cuda_error;
    }
    if (cudaStreamSynchronize(t.stream) != cudaSuccess) return unhandled_cuda_error;
  }
  return success;
}

template <class Function>
void* address(Function* function) {
  return reinterpret_cast<void*>(function);
}

}  // namespace

void* nccl_symbol(std::string_view name) {
  static const std::map<std::string_view, void*> symbols = {
      {"ncclGetErrorString", address(get_error_string)},
      {"ncclGetUniqueId", address(get_unique_id)},
      {"ncclCommInitRank", address(comm_init_rank)},
      {"ncclCommDestroy", address(comm_destroy)},
      {"ncclCommAbort", address(comm_destroy)},
      {"ncclCommGetAsyncError", address(comm_get_async_error)},
      {"ncclGroupStart", address(group_start)},
      {"ncclGroupEnd", address(group_end)},
      {"ncclSend", address(send)},
      {"ncclRecv", address(recv)}};
  const auto found = symbols.find(name);
  return found == symbols.end() ? nullptr : found->second;
}

}  // namespace simt
