#if TRIFOLD_WITH_MPI
#include <mpi.h>

#include <algorithm>
#include <exception>
#include <thread>
#endif

#include "kernels/runtime/error.h"
#include "kernels/runtime/links.h"

namespace trifold::kernels {

#if TRIFOLD_WITH_MPI
namespace {

class MpiLinks : public Links {
 public:
  using Links::Links;

  ~MpiLinks() override {
    if (!lost_ && std::uncaught_exceptions() == 0) MPI_Finalize();
  }

  void exchange(int peer, const void* out, void* in, std::int64_t bytes) const override {
    // A slow network, too, moves as much within any patience.
    constexpr std::int64_t most = std::int64_t{1} << 24;
    const auto* from = static_cast<const std::byte*>(out);
    auto* to = static_cast<std::byte*>(in);
    for (std::int64_t done = 0; done < bytes; done += most) {
      const int count = static_cast<int>(std::min(bytes - done, most));
      exchange_piece(peer, from + done, to + done, count);
    }
  }

  bool lost(int) const override { return lost_; }

 private:
  void exchange_piece(int peer, const std::byte* from, std::byte* to, int count) const {
    MPI_Request requests[2] = {MPI_REQUEST_NULL, MPI_REQUEST_NULL};
    int status = MPI_Irecv(to, count, MPI_BYTE, peer, 0, MPI_COMM_WORLD, &requests[0]);
    if (status == MPI_SUCCESS) {
      status = MPI_Isend(from, count, MPI_BYTE, peer, 0, MPI_COMM_WORLD, &requests[1]);
    }
    Patience wait(patience());
    int done = 0;
    while (status == MPI_SUCCESS && done == 0) {
      status = MPI_Testall(2, requests, &done, MPI_STATUSES_IGNORE);
      if (done == 0 && wait.over()) {
        lost_ = true;
        MPI_Cancel(&requests[0]);  // or what comes late would be written where others then are
        throw_silent(peer);
      }
      if (done == 0) std::this_thread::yield();
    }
    lost_ = status != MPI_SUCCESS;
    if (lost_) throw_lost(peer);
  }

  mutable bool lost_ = false;
};

}  // namespace

MpiPlace join_mpi(std::chrono::milliseconds patience) {
  int provided = 0, rank = 0, ranks = 0, local_rank = 0;
  MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided);
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  MPI_Comm machine;
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &machine);
  MPI_Comm_rank(machine, &local_rank);
  MPI_Comm_free(&machine);
  require<ConfigError>(provided >= MPI_THREAD_SERIALIZED,
                       "this MPI is for one thread alone; have the ranks meet by TCP");
  require<ConfigError>((ranks & (ranks - 1)) == 0,
                       "MPI has started {} ranks; start 1, 2, 4, 8 or another power of two", ranks);
  return {.links = std::make_unique<MpiLinks>(rank, ranks, patience), .local_rank = local_rank};
}
#else
MpiPlace join_mpi(std::chrono::milliseconds) {
  throw ConfigError("this build has no MPI; configure it with -DTRIFOLD_MPI=ON");
}
#endif

}  // namespace trifold::kernels
