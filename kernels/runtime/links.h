/// How the ranks of a group reach each other: bytes over sockets, by MPI or, from GPU to GPU, by NCCL
/// (kernels/cuda/nccl_links.h).
///
/// Test tests/kernels/collective_test.cpp.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/runtime/device.h"
#include "kernels/runtime/error_types.h"

namespace trifold::kernels {

/// Another rank has ended, or doesn't answer, so that the group can't go on.
class RankLostError : public Error {
 public:
  using Error::Error;
};

/// How long a rank is waited for that says nothing, unless said otherwise: longer than one is busy
/// alone, with the reading of its data, say, or rank 0 with files on a slow disk.
constexpr std::chrono::minutes default_patience{30};

/// A limit to a wait. Its clock stands while this process does: one that was stopped and goes on, as all
/// of a group may have been, doesn't take that time for another's silence.
class Patience {
 public:
  /// What counts at most between two questions.
  static constexpr std::chrono::milliseconds step{250};

  explicit Patience(std::chrono::milliseconds limit) : limit_(limit) {}

  /// Something has come: the wait begins anew.
  void restart();
  /// Whether the limit is reached; to be asked once a step.
  bool over();

 private:
  using Clock = std::chrono::steady_clock;

  std::chrono::milliseconds limit_;
  Clock::duration waited_{};
  Clock::time_point asked_ = Clock::now();
};

/// A rank's ways to those whose number differs from its own in one bit. Ranks count 1, 2, 4, ...
class Links {
 public:
  /// Errors    ShapeError: another number of ranks, or a rank outside [0, ranks).
  Links(int rank, int ranks, std::chrono::milliseconds patience = default_patience);
  virtual ~Links() = default;
  Links(const Links&) = delete;
  Links& operator=(const Links&) = delete;

  int rank() const { return rank_; }
  int ranks() const { return ranks_; }
  /// How long exchange() waits for a rank that says nothing.
  std::chrono::milliseconds patience() const { return patience_; }

  /// Sends `out` to rank `peer` and receives `in` from it, `bytes` each, which is what both ends call
  /// with: both are done on return. However long it takes, it waits as long as bytes move.
  /// Errors    RankLostError: the peer has ended, or none moved for as long as the patience lasts.
  virtual void exchange(int peer, const void* out, void* in, std::int64_t bytes) const = 0;

  /// Whether the peer is known to have ended; asked while something else waits for it.
  virtual bool lost(int peer) const = 0;

  /// Throws the RankLostError: the peer has ended.
  [[noreturn]] void throw_lost(int peer) const;
  /// Throws the RankLostError: the peer lives, for all that is known, but says nothing.
  [[noreturn]] void throw_silent(int peer) const;

 private:
  int rank_, ranks_;
  std::chrono::milliseconds patience_;
};

/// A rank's ways from GPU to GPU.
class DeviceLinks {
 public:
  virtual ~DeviceLinks() = default;
  /// As Links::exchange, of arrays on this rank's GPU, behind the work of `stream`.
  virtual void exchange(int peer, const void* out, void* in, std::int64_t bytes,
                        DeviceStream* stream) const = 0;
};

/// Takes over sockets[b], a connected stream socket to rank ^ 2^b, for each bit b of the ranks'
/// numbers. The end of a process is noticed at once; that of a machine, over TCP, where it leaves
/// unacknowledged for half a minute what it was sent, or by the socket's own SO_KEEPALIVE.
std::unique_ptr<Links> socket_links(int rank, std::vector<int> sockets,
                                    std::chrono::milliseconds patience = default_patience);

/// The sockets of `ranks` processes of one machine, which inherit them: result[rank] for
/// socket_links(). A process has to close those of the others, or it hides their end.
/// Errors    ShapeError: `ranks` is no power of two. Error: the system refuses.
std::vector<std::vector<int>> local_sockets(int ranks);

/// A process among those that an MPI launcher has started.
struct MpiPlace {
  std::unique_ptr<Links> links;
  int local_rank = 0;  ///< among those of the same machine
};

/// Joins the others of MPI_COMM_WORLD; once a process. That a rank has ended is the launcher's to
/// notice, which then ends all, also those that another has lost its patience with. MPI is left when the
/// links end, unless they do by an exception: the others wouldn't come to leave it, too.
/// Errors    ConfigError: a build without MPI (TRIFOLD_MPI), one that no second thread may call, a
///           number of ranks that is no power of two.
MpiPlace join_mpi(std::chrono::milliseconds patience = default_patience);

}  // namespace trifold::kernels
