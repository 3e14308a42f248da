#include <algorithm>

#include "bench/step_traffic.h"

namespace trifold::bench {
namespace {

double sum(const std::vector<Array>& arrays) {
  double bytes = 0;
  for (const Array& a : arrays) bytes += a.bytes;
  return bytes;
}

}  // namespace

double Launch::bytes() const { return sum(reads) + sum(writes); }

std::vector<double> bytes_found_in_cache(const std::vector<Launch>& launches,
                                         double capacity_bytes) {
  std::vector<Array> used;  // the latest last
  std::vector<double> found;
  for (const Launch& launch : launches) {
    found.push_back(0);
    // The arrays of one launch are used side by side, so each is between two uses of the others.
    double between = launch.bytes();
    std::vector<Array> now = launch.reads;
    now.insert(now.end(), launch.writes.begin(), launch.writes.end());
    const auto in = [](const std::vector<Array>& arrays, const Array& a) {
      return std::ranges::find(arrays, a.name, &Array::name);
    };
    for (auto at = used.rbegin(); at != used.rend() && between <= capacity_bytes; ++at) {
      const auto read = in(launch.reads, *at);
      if (read != launch.reads.end()) found.back() += std::min(read->bytes, at->bytes);
      if (in(now, *at) == now.end()) between += at->bytes;
    }
    std::erase_if(used, [&](const Array& a) { return in(now, a) != now.end(); });
    used.insert(used.end(), now.begin(), now.end());
  }
  return found;
}

}  // namespace trifold::bench
