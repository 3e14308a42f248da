/// A run whose cost is measured latency, and targets given as amounts.
#pragma once

#include <string>

#include "apps/prune/run.h"

namespace trifold::apps {

/// Opens the times that the run uses, once, where latency is its cost: latency.sqlite in the run
/// folder, and the table that it shares with others. What the run folder's table has is never
/// measured again, so that all stages see the same costs.
/// Errors    TimeTable's. ConfigError: the plan was made with other times, as those of another
///           machine are.
void open_latency(PruneRun& run);

/// Makes a target that was given as an amount a share of the original's cost.
/// Errors    ConfigError: the original costs no more. As open_latency().
void resolve_target(PruneRun& run);

/// Writes the tables and returns what the plan keeps of them.
LatencyRecord record_latency(PruneRun& run);

/// The record in a sentence.
std::string told_of_latency(const LatencyRecord& record);

/// Time of a network's inference here as a share of the original's, both in turn: the median of as
/// many rounds as half a second takes, at least three, so that what else the machine does hits both.
double measured_share(const PruneRun& run, const nn::Graph& graph, std::int64_t side);

/// Predicted and measured time of the original and of the pruned network, which was cut to `chosen`,
/// for the report.
std::string latency_note(const PruneRun& run, const nn::Model& pruned, const Candidate& chosen);

}  // namespace trifold::apps
