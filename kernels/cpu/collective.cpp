#include "kernels/collective.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>

#include "kernels/runtime/error.h"

namespace trifold::kernels {
namespace {

// What a call on a socket moved; 0 where it has to wait, -1 where the other end is gone.
std::int64_t moved(ssize_t result) {
  if (result > 0) return result;
  const bool waits = result < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
  return waits ? 0 : -1;
}

}  // namespace

Collective::Collective(int rank, std::vector<int> links) : rank_(rank), links_(std::move(links)) {
  require<ShapeError>(links_.size() < 31 && rank >= 0 && rank < ranks(),
                      "there is no rank {} of a group with {} links each", rank, links_.size());
}

Collective::~Collective() {
  for (const int link : links_) ::close(link);
}

// Both ends send and receive at once: with one after the other, two full buffers would wait for each
// other.
void Collective::exchange(std::size_t link, const void* out, void* in, std::int64_t bytes) const {
  const int socket = links_[link];
  const auto* const from = static_cast<const std::byte*>(out);
  auto* const to = static_cast<std::byte*>(in);
  std::int64_t sent = 0, received = 0;
  while (sent < bytes || received < bytes) {
    pollfd ready{.fd = socket, .events = 0, .revents = 0};
    if (sent < bytes) ready.events |= POLLOUT;
    if (received < bytes) ready.events |= POLLIN;
    ::poll(&ready, 1, -1);
    const auto count = [&](std::int64_t done) { return static_cast<std::size_t>(bytes - done); };
    std::int64_t now = 0;
    if (received < bytes) {
      now = moved(::recv(socket, to + received, count(received), MSG_DONTWAIT));
      if (now > 0) received += now;
    }
    if (now >= 0 && sent < bytes) {
      now = moved(::send(socket, from + sent, count(sent), MSG_DONTWAIT | MSG_NOSIGNAL));
      if (now > 0) sent += now;
    }
    require<RankLostError>(now >= 0, "rank {} of {} has ended", rank_ ^ (1 << link), ranks());
  }
}

template <class T>
void Collective::sum_of(std::span<T> x) const {
  std::vector<T> other(x.size());
  for (std::size_t link = 0; link < links_.size(); ++link) {
    exchange(link, x.data(), other.data(), static_cast<std::int64_t>(x.size_bytes()));
    // Both ends add the same two numbers, and which comes first makes no difference to a sum.
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += other[i];
  }
}

void Collective::sum(std::span<float> x) const { sum_of(x); }
void Collective::sum(std::span<double> x) const { sum_of(x); }

// Of numbers that aren't all equal one is above the mean. Sums of whole numbers are exact.
bool Collective::all_equal(std::uint32_t number) const {
  double total = number;
  sum(std::span<double>(&total, 1));
  double above = static_cast<double>(number) * ranks() > total ? 1 : 0;
  sum(std::span<double>(&above, 1));
  return above == 0;
}

std::vector<std::vector<int>> local_links(int ranks) {
  require<ShapeError>(ranks >= 1 && std::has_single_bit(static_cast<unsigned>(ranks)),
                      "a group of {} ranks; it takes a power of two", ranks);
  std::vector<std::vector<int>> links(static_cast<std::size_t>(ranks));
  for (std::size_t bit = 1; bit < links.size(); bit *= 2) {
    for (std::size_t rank = 0; rank < links.size(); ++rank) {
      if (rank & bit) continue;
      int ends[2];
      require<Error>(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0,
                     "no connection between ranks {} and {} can be made: {}", rank, rank | bit,
                     std::strerror(errno));
      links[rank].push_back(ends[0]);
      links[rank | bit].push_back(ends[1]);
    }
  }
  return links;
}

}  // namespace trifold::kernels
