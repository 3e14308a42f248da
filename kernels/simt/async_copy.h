/// cp.async: copies in the background, of which a thread waits for the oldest groups.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

namespace simt {

struct AsyncCopy {
  char* to;
  const char* from;  ///< null: zeros
  std::size_t bytes;
  std::array<char, 16> issued;  ///< what was to be copied when the copy began
};

/// One thread's copies. They are made when they are waited for: as late as a GPU may.
class AsyncCopies {
 public:
  void add(const AsyncCopy& copy) { open_.push_back(copy); }
  void commit();
  void wait(std::size_t groups_in_flight);
  void clear();
  bool all_done() const { return open_.empty() && groups_.empty(); }

 private:
  std::vector<AsyncCopy> open_;
  std::vector<std::vector<AsyncCopy>> groups_;
};

}  // namespace simt
