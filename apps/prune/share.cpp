#include "apps/prune/share.h"

#include <fmt/format.h>

#include <chrono>
#include <thread>

namespace trifold::apps {

void share(PruneRun& run, std::vector<Task> tasks) {
  constexpr std::chrono::milliseconds pause(250);
  bool told = false;
  while (!tasks.empty()) {
    std::string waiting;  // for what, where nothing is free
    auto task = tasks.begin();
    for (; task != tasks.end(); ++task) {
      const Leases::Claim claim = run.leases.take(file_stem(task->name));
      if (claim.lease) {
        run.journal.refresh();
        task->work();
        break;
      }
      if (waiting.empty()) waiting = fmt::format("{}, which {} has", task->name, claim.holder);
    }
    if (task != tasks.end()) {
      tasks.erase(task);
      told = false;
      continue;
    }
    if (!told) run.callbacks.say("waiting for " + waiting);
    told = true;
    if (run.callbacks.stop_requested()) throw Stopped{};
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace trifold::apps
