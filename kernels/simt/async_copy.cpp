#include "kernels/simt/async_copy.h"

#include <cstdint>
#include <cstring>

#include "kernels/simt/arena.h"
#include "kernels/simt/block.h"
#include "kernels/simt/report.h"
#include "kernels/simt/shadow.h"

namespace simt {

void AsyncCopies::commit() {
  groups_.push_back(std::move(open_));
  open_.clear();
}

void AsyncCopies::wait(std::size_t groups_in_flight) {
  if (groups_.size() <= groups_in_flight) return;
  const auto end = groups_.end() - static_cast<std::ptrdiff_t>(groups_in_flight);
  for (auto group = groups_.begin(); group != end; ++group) {
    for (const AsyncCopy& copy : *group) {
      if (copy.from == nullptr) {
        std::memset(copy.to, 0, copy.bytes);
      } else {
        if (std::memcmp(copy.from, copy.issued.data(), copy.bytes) != 0) {
          the_block().fail(Fault::async_copy,
                           "the source of a cp.async changes before the wait for it, " +
                               arena::describe(copy.from));
        }
        std::memcpy(copy.to, copy.from, copy.bytes);
      }
      shadow::async_copy_done(copy.to, copy.bytes);
    }
  }
  groups_.erase(groups_.begin(), end);
}

void AsyncCopies::clear() {
  open_.clear();
  groups_.clear();
}

void async_copy(void* shared, const void* global, std::size_t bytes, bool copies, Site site) {
  Block& block = the_block();
  const auto address = reinterpret_cast<std::uintptr_t>(shared) |
                       (copies ? reinterpret_cast<std::uintptr_t>(global) : 0);
  if (address % bytes != 0) {
    block.fail(Fault::misaligned, text("cp.async of ", bytes,
                                       " bytes to or from an address that "
                                       "isn't a multiple of them, at ",
                                       site.file, ":", site.line));
  }
  const bool into_shared = arena::contains(shared) && arena::is_shared(shared);
  const bool from_global = arena::contains(global) && !arena::is_shared(global);
  if (!into_shared || (copies && !from_global)) {
    block.fail(Fault::invalid_address, text("cp.async doesn't go from global to shared memory, at ",
                                            site.file, ":", site.line));
  }
  const void* code = __builtin_return_address(0);
  if (copies) shadow::access(global, bytes, {}, code);
  shadow::async_copy_issued(shared, bytes, code);
  std::memset(shared, 0xff, bytes);  // Until the wait the destination holds nothing of use.
  AsyncCopy copy{
      static_cast<char*>(shared), copies ? static_cast<const char*>(global) : nullptr, bytes, {}};
  if (copies) std::memcpy(copy.issued.data(), global, bytes);
  block.thread().copies.add(copy);
}

void async_commit() { the_block().thread().copies.commit(); }

void async_wait(std::size_t groups_in_flight) {
  the_block().thread().copies.wait(groups_in_flight);
}

}  // namespace simt
