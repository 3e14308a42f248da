#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "kernels/runtime/error.h"
#include "kernels/runtime/links.h"

namespace trifold::kernels {
namespace {

// What a call on a socket moved; 0 where it has to wait, -1 where the other end is gone.
std::int64_t moved(ssize_t result) {
  if (result > 0) return result;
  const bool waits = result < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
  return waits ? 0 : -1;
}

// Whether the other machine is gone without a word: it leaves unacknowledged what it was sent. That of
// a rank that is slow to read doesn't; TCP_USER_TIMEOUT would not tell the two apart. False of sockets
// that aren't TCP's.
bool machine_is_gone(int socket) {
  constexpr std::uint32_t most_ms = 30'000;
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return false;
  return info.tcpi_unacked > 0 && info.tcpi_last_ack_recv > most_ms;
}

class SocketLinks : public Links {
 public:
  SocketLinks(int rank, std::vector<int> sockets, std::chrono::milliseconds patience)
      : Links(rank, sockets.size() < 31 ? 1 << sockets.size() : 0, patience),
        sockets_(std::move(sockets)) {}

  ~SocketLinks() override {
    for (const int socket : sockets_) ::close(socket);
  }

  // Both ends send and receive at once: with one after the other, two full buffers would wait for
  // each other.
  void exchange(int peer, const void* out, void* in, std::int64_t bytes) const override {
    const int socket = socket_to(peer);
    const auto* const from = static_cast<const std::byte*>(out);
    auto* const to = static_cast<std::byte*>(in);
    std::int64_t sent = 0, received = 0;
    const int slice_ms = static_cast<int>(std::min(Patience::step, patience()).count());
    Patience wait(patience());
    while (sent < bytes || received < bytes) {
      pollfd ready{.fd = socket, .events = 0, .revents = 0};
      if (sent < bytes) ready.events |= POLLOUT;
      if (received < bytes) ready.events |= POLLIN;
      const int ready_sockets = ::poll(&ready, 1, slice_ms);
      const auto count = [&](std::int64_t done) { return static_cast<std::size_t>(bytes - done); };
      std::int64_t now = 0;
      bool moves = false;
      if (received < bytes) {
        now = moved(::recv(socket, to + received, count(received), MSG_DONTWAIT));
        if (now > 0) received += now;
        moves = now > 0;
      }
      if (now >= 0 && sent < bytes) {
        now = moved(::send(socket, from + sent, count(sent), MSG_DONTWAIT | MSG_NOSIGNAL));
        if (now > 0) sent += now;
        moves = moves || now > 0;
      }
      if (now < 0 || (ready_sockets == 0 && machine_is_gone(socket))) throw_lost(peer);
      if (moves) {
        wait.restart();
      } else if (wait.over()) {
        throw_silent(peer);
      }
    }
  }

  bool lost(int peer) const override {
    std::byte next;
    return moved(::recv(socket_to(peer), &next, 1, MSG_PEEK | MSG_DONTWAIT)) < 0;
  }

 private:
  int socket_to(int peer) const {
    return sockets_[static_cast<std::size_t>(
        std::countr_zero(static_cast<unsigned>(rank() ^ peer)))];
  }

  std::vector<int> sockets_;
};

}  // namespace

void Patience::restart() {
  waited_ = {};
  asked_ = Clock::now();
}

bool Patience::over() {
  const Clock::time_point now = Clock::now();
  waited_ += std::min<Clock::duration>(now - asked_, step);
  asked_ = now;
  return waited_ >= limit_;
}

Links::Links(int rank, int ranks, std::chrono::milliseconds patience)
    : rank_(rank), ranks_(ranks), patience_(patience) {
  require<ShapeError>(ranks >= 1 && std::has_single_bit(static_cast<unsigned>(ranks)),
                      "a group of {} ranks; it takes a power of two", ranks);
  require<ShapeError>(rank >= 0 && rank < ranks, "there is no rank {} of {}", rank, ranks);
}

void Links::throw_lost(int peer) const {
  throw RankLostError(fmt::format("rank {} of {} has ended", peer, ranks_));
}

// Who is silent may wait for a third, which is then the one that hangs.
void Links::throw_silent(int peer) const {
  const double seconds = std::chrono::duration<double>(patience_).count();
  throw RankLostError(
      fmt::format("rank {} of {} has not answered for {:g} s; it hangs, waits for one that does, "
                  "or its machine is out of reach",
                  peer, ranks_, seconds));
}

std::unique_ptr<Links> socket_links(int rank, std::vector<int> sockets,
                                    std::chrono::milliseconds patience) {
  return std::make_unique<SocketLinks>(rank, std::move(sockets), patience);
}

std::vector<std::vector<int>> local_sockets(int ranks) {
  require<ShapeError>(ranks >= 1 && std::has_single_bit(static_cast<unsigned>(ranks)),
                      "a group of {} ranks; it takes a power of two", ranks);
  std::vector<std::vector<int>> sockets(static_cast<std::size_t>(ranks));
  for (std::size_t bit = 1; bit < sockets.size(); bit *= 2) {
    for (std::size_t rank = 0; rank < sockets.size(); ++rank) {
      if (rank & bit) continue;
      int ends[2];
      require<Error>(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0,
                     "no connection between ranks {} and {} can be made: {}", rank, rank | bit,
                     std::strerror(errno));
      sockets[rank].push_back(ends[0]);
      sockets[rank | bit].push_back(ends[1]);
    }
  }
  return sockets;
}

}  // namespace trifold::kernels
