/// Ends blocks that would run for ever, and turns a fault of the CPU in a kernel into a report.
#pragma once

namespace simt::watchdog {

/// Watches the kernel that the calling thread runs, for as long as the object lives.
class Watch {
 public:
  Watch();
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
};

/// Gives the next block its whole time.
void begin_block();

/// Whether the block's time is up. A thread that doesn't come back by itself is stopped soon after.
bool expired();

}  // namespace simt::watchdog
