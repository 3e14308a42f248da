/// Work that processes share, on one machine or several that see the run folder.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "apps/prune/run.h"

namespace trifold::apps {

/// A part of a stage that depends on no other of the same share(): a step or a chain of steps, which
/// the journal keeps.
struct Task {
  std::string name;  ///< of its lease; the first step's, if there are several
  std::function<void()> work;
};

/// Returns when all tasks are done. Each is done under its lease, by this process or another that came
/// first; what others have recorded is in the journal then, so that doing it again does nothing. So
/// the result doesn't depend on how many processes there are, nor on which of them ends, and how.
/// Errors    Stopped: while it waited for others.
void share(PruneRun& run, std::vector<Task> tasks);

/// Has the run's workers, processes of this program, do a stage together, and waits for them. Passes on
/// what they say. `more` are options that config.toml doesn't have. Where one fails, the others are
/// stopped. Returns 0, exit_stopped where that was asked for, or the exit code of the first that failed,
/// whose error is then told. One that a signal ended is missed by nobody: the others take its work
/// over, and at last whoever does the stage after them.
/// Errors    ConfigError: the run isn't planned. Error: a process can't be started.
int have_workers_do(const PruneRun& run, const std::string& stage,
                    const std::vector<std::string>& more);

}  // namespace trifold::apps
