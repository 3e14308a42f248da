/// How ranks on several machines find each other.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace trifold::apps {

/// Where rank 0 waits for the others.
struct MeetingPlace {
  std::string host, port;

  /// From "HOST:PORT"; an address of IPv6 stands in brackets, "[fe80::1]:29500".
  /// Errors    ConfigError: it isn't of that form.
  static MeetingPlace parse(const std::string& text);
};

/// Connects the processes of a group, each of which calls this with its own rank: those of one machine,
/// or of several that reach each other by TCP. The connections carry no secret and check none: whoever
/// reaches the port can take part.
/// Returns   the sockets for kernels::socket_links(). Where a machine vanishes without a word, its links end
///           after half a minute.
/// Errors    ConfigError: a rank outside [0, ranks), two processes of one rank or with another number
///           of ranks, a host without address. Error: somebody doesn't come within `patience`; the
///           sentence says who.
std::vector<int> meet(int rank, int ranks, const MeetingPlace& place,
                      std::chrono::milliseconds patience);

}  // namespace trifold::apps
