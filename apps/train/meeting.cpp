#include "apps/train/meeting.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <span>
#include <thread>
#include <utility>

#include "apps/cli/holder.h"
#include "kernels/runtime/error.h"

namespace trifold::apps {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Deadline = Clock::time_point;

// What the first bytes of every connection are: who calls, and where it can be called itself. Numbers
// in network order.
struct Hello {
  std::array<char, 8> magic;
  std::uint32_t rank, ranks, port, reserved;
};
constexpr std::array<char, 8> hello_magic = {'t', 'r', 'i', 'f', 'o', 'l', 'd', '1'};

// What rank 0 answers: where each of the ranks can be called. Its own line is empty.
struct Address {
  std::array<char, 64> host;  // as text, ended by a zero
  std::uint32_t port, reserved;
};

using Addresses = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

Addresses addresses_of(const char* host, const std::string& port, int flags) {
  addrinfo wanted{};
  wanted.ai_family = AF_UNSPEC;
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int problem = ::getaddrinfo(host, port.c_str(), &wanted, &found);
  require<ConfigError>(problem == 0,
                       "--meet: {}:{} is no address ({}); give rank 0's host and port",
                       host == nullptr ? "" : host, port, ::gai_strerror(problem));
  return {found, &::freeaddrinfo};
}

void set(int socket, int level, int option, int value) {
  ::setsockopt(socket, level, option, &value, sizeof value);
}

// Small sums go out at once, and a machine that is gone without a word is noticed while nothing is on
// its way to it; else the links notice.
void prepare_link(int socket) {
  set(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  set(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(socket, IPPROTO_TCP, TCP_KEEPIDLE, 10);
  set(socket, IPPROTO_TCP, TCP_KEEPINTVL, 5);
  set(socket, IPPROTO_TCP, TCP_KEEPCNT, 4);
}

// A socket that others can call; `port` "0" is any that is free.
Descriptor listen_at(const std::string& port) {
  const Addresses own = addresses_of(nullptr, port, AI_PASSIVE);
  int problem = 0;
  for (const addrinfo* a = own.get(); a != nullptr; a = a->ai_next) {
    Descriptor socket(::socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol));
    if (socket.number() >= 0) {
      set(socket.number(), SOL_SOCKET, SO_REUSEADDR, 1);
      if (::bind(socket.number(), a->ai_addr, a->ai_addrlen) == 0 &&
          ::listen(socket.number(), SOMAXCONN) == 0) {
        return socket;
      }
    }
    problem = errno;
  }
  throw ConfigError(
      fmt::format("--meet: nobody can be waited for at port {} of this machine ({}); "
                  "give a port that is free",
                  port, std::strerror(problem)));
}

std::uint32_t port_of(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                   : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

// Whether `socket` is ready for `events` before the time is up.
bool ready(int socket, short events, Deadline until) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    if (left <= 0ms) return false;
    pollfd one{.fd = socket, .events = events, .revents = 0};
    const int count = ::poll(&one, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 1000)));
    if (count > 0) return true;
  }
}

bool receive_all(int socket, std::span<std::byte> into, Deadline until) {
  while (!into.empty()) {
    if (!ready(socket, POLLIN, until)) return false;
    const ssize_t now = ::recv(socket, into.data(), into.size(), MSG_DONTWAIT);
    if (now == 0 || (now < 0 && errno != EAGAIN && errno != EINTR)) return false;
    if (now > 0) into = into.subspan(static_cast<std::size_t>(now));
  }
  return true;
}

bool send_all(int socket, std::span<const std::byte> from, Deadline until) {
  while (!from.empty()) {
    if (!ready(socket, POLLOUT, until)) return false;
    const ssize_t now = ::send(socket, from.data(), from.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (now < 0 && errno != EAGAIN && errno != EINTR) return false;
    if (now > 0) from = from.subspan(static_cast<std::size_t>(now));
  }
  return true;
}

// Calls again until somebody answers: who is called may not have begun yet.
Descriptor call(const std::string& host, const std::string& port, int rank, Deadline until) {
  std::string problem = "it doesn't answer";
  do {
    const Addresses all = addresses_of(host.c_str(), port, 0);
    for (const addrinfo* a = all.get(); a != nullptr; a = a->ai_next) {
      Descriptor socket(
          ::socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol));
      if (socket.number() < 0) continue;
      const bool under_way =
          ::connect(socket.number(), a->ai_addr, a->ai_addrlen) == 0 || errno == EINPROGRESS;
      int error = errno;
      if (under_way && ready(socket.number(), POLLOUT, std::min(until, Clock::now() + 5s))) {
        socklen_t size = sizeof error;
        ::getsockopt(socket.number(), SOL_SOCKET, SO_ERROR, &error, &size);
        if (error == 0) return socket;
      }
      problem = std::strerror(error);
    }
    std::this_thread::sleep_for(50ms);
  } while (Clock::now() < until);
  throw Error(fmt::format("rank {} can't be reached at {}:{} ({}); start it, or mend --meet", rank,
                          host, port, problem));
}

// The ranks that `rank` is linked with: those that differ from it in one bit.
std::vector<int> peers_of(int rank, int ranks) {
  std::vector<int> peers;
  for (int bit = 1; bit < ranks; bit *= 2) peers.push_back(rank ^ bit);
  return peers;
}

class Group {
 public:
  Group(int rank, int ranks, const MeetingPlace& place, std::chrono::milliseconds patience)
      : rank_(rank),
        ranks_(ranks),
        place_(place),
        patience_(patience),
        until_(Clock::now() + patience),
        listening_(listen_at(rank == 0 ? place.port : "0")),
        addresses_(static_cast<std::size_t>(ranks)) {}

  std::vector<int> links() {
    rank_ == 0 ? gather() : report();
    const std::vector<int> peers = peers_of(rank_, ranks_);
    std::map<int, Descriptor> sockets;
    // A call succeeds though whoever is called doesn't answer yet, so that none waits for another.
    std::vector<int> missing;
    for (const int peer : peers) {
      if (peer > rank_) missing.push_back(peer);
      if (peer < rank_) sockets.emplace(peer, greet(peer));
    }
    while (!missing.empty()) {
      auto [socket, hello] = answer(missing);
      const auto caller = std::ranges::find(missing, static_cast<int>(hello.rank));
      if (caller == missing.end()) continue;
      sockets.emplace(*caller, std::move(socket));
      missing.erase(caller);
    }
    std::vector<int> result;
    for (const int peer : peers) {
      Descriptor& socket = sockets.at(peer);
      prepare_link(socket.number());
      result.push_back(socket.release());
    }
    return result;
  }

 private:
  Hello own_hello() const {
    return {.magic = hello_magic,
            .rank = htonl(static_cast<std::uint32_t>(rank_)),
            .ranks = htonl(static_cast<std::uint32_t>(ranks_)),
            .port = htonl(port_of(listening_.number())),
            .reserved = 0};
  }

  // A connection to a rank whose address is known.
  Descriptor greet(int rank) {
    const Address& address = addresses_[static_cast<std::size_t>(rank)];
    Descriptor socket =
        rank == 0 ? call(place_.host, place_.port, 0, until_)
                  : call(address.host.data(), std::to_string(ntohl(address.port)), rank, until_);
    const Hello own = own_hello();
    require<Error>(send_all(socket.number(), std::as_bytes(std::span(&own, 1)), until_),
                   "rank {} doesn't listen; start all ranks again", rank);
    return socket;
  }

  // The next of the others that calls, with numbers in this machine's order. Strangers are passed over.
  std::pair<Descriptor, Hello> answer(const std::vector<int>& missing) {
    for (;;) {
      require<Error>(ready(listening_.number(), POLLIN, until_),
                     "of {} ranks, {} {} not come to {}:{} within {} s; start train with --rank {}",
                     ranks_, fmt::join(missing, ", "), missing.size() == 1 ? "has" : "have",
                     place_.host, place_.port,
                     std::chrono::round<std::chrono::seconds>(patience_).count(), missing.front());
      Descriptor socket(::accept4(listening_.number(), nullptr, nullptr, SOCK_CLOEXEC));
      Hello hello{};
      if (socket.number() < 0 ||
          !receive_all(socket.number(), std::as_writable_bytes(std::span(&hello, 1)),
                       std::min(until_, Clock::now() + 5s)) ||
          hello.magic != hello_magic) {
        continue;
      }
      hello.rank = ntohl(hello.rank);
      hello.ranks = ntohl(hello.ranks);
      require<ConfigError>(hello.ranks == static_cast<std::uint32_t>(ranks_),
                           "rank {} was started with --ranks {}, and rank {} with {}; give all the "
                           "same",
                           rank_, ranks_, hello.rank, hello.ranks);
      return {std::move(socket), hello};
    }
  }

  // Of rank 0: waits for all others, and tells them where each of them is.
  void gather() {
    std::vector<int> missing;
    for (int rank = 1; rank < ranks_; ++rank) missing.push_back(rank);
    std::vector<Descriptor> callers;
    while (!missing.empty()) {
      auto [socket, hello] = answer(missing);
      const auto awaited = std::ranges::find(missing, static_cast<int>(hello.rank));
      require<ConfigError>(awaited != missing.end(),
                           "two processes were started with --rank {}; give each its own",
                           hello.rank);
      missing.erase(awaited);
      Address& address = addresses_[hello.rank];
      sockaddr_storage from{};
      socklen_t size = sizeof from;
      ::getpeername(socket.number(), reinterpret_cast<sockaddr*>(&from), &size);
      ::getnameinfo(reinterpret_cast<const sockaddr*>(&from), size, address.host.data(),
                    static_cast<socklen_t>(address.host.size() - 1), nullptr, 0, NI_NUMERICHOST);
      address.port = hello.port;
      callers.push_back(std::move(socket));
    }
    for (const Descriptor& caller : callers) {
      // One that is gone by now is missed below.
      send_all(caller.number(), std::as_bytes(std::span(addresses_)), until_);
    }
  }

  // Of the others: tells rank 0 where this one is, and learns where all are.
  void report() {
    const Descriptor socket = greet(0);
    require<Error>(
        receive_all(socket.number(), std::as_writable_bytes(std::span(addresses_)), until_),
        "rank 0 at {}:{} has ended, or waits for others still after {} s; its own message says why",
        place_.host, place_.port, std::chrono::round<std::chrono::seconds>(patience_).count());
    for (Address& address : addresses_) address.host.back() = '\0';
  }

  int rank_, ranks_;
  MeetingPlace place_;
  std::chrono::milliseconds patience_;
  Deadline until_;
  Descriptor listening_;
  std::vector<Address> addresses_;
};

}  // namespace

MeetingPlace MeetingPlace::parse(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  MeetingPlace place;
  if (colon != std::string::npos) {
    place = {.host = text.substr(0, colon), .port = text.substr(colon + 1)};
    if (place.host.size() > 2 && place.host.front() == '[' && place.host.back() == ']') {
      place.host = place.host.substr(1, place.host.size() - 2);
    }
  }
  const bool digits = std::ranges::all_of(place.port, [](char c) { return c >= '0' && c <= '9'; });
  require<ConfigError>(!place.host.empty() && !place.port.empty() && place.port.size() <= 5 &&
                           digits && std::stoi(place.port) >= 1 && std::stoi(place.port) <= 65535,
                       "--meet is {}; give the host of rank 0 and a free port of it, such as "
                       "node1:29500",
                       text);
  return place;
}

std::vector<int> meet(int rank, int ranks, const MeetingPlace& place,
                      std::chrono::milliseconds patience) {
  require<ConfigError>(ranks >= 1 && std::has_single_bit(static_cast<unsigned>(ranks)),
                       "--ranks is {}; give 1, 2, 4, 8 or another power of two", ranks);
  require<ConfigError>(rank >= 0 && rank < ranks, "--rank is {}; give a number from 0 to {}", rank,
                       ranks - 1);
  return Group(rank, ranks, place, patience).links();
}

}  // namespace trifold::apps
