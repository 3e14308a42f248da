#include "apps/prune/latency.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "kernels/runtime/error.h"
#include "pruning/cost.h"
#include "pruning/costs/latency.h"

namespace trifold::apps {
namespace {

pruning::Latency latency_model(const PruneRun& run) {
  return {run.original.network.graph(), run.original.info.side, run.latency.get()};
}

LatencyRecord planned_latency(const PruneRun& run) {
  const std::optional<LatencyRecord> record = run.journal.at<PlanResult>("plan").latency;
  require<ConfigError>(record.has_value(), "the run was planned without latency");
  return *record;
}

// What the original costs, in the units of a target's amount.
double original_cost(PruneRun& run) {
  if (run.options.cost == "latency") {
    open_latency(run);
    const double seconds = latency_model(run).original_seconds();
    run.latency->save();  // the share that follows from it is kept
    return seconds;
  }
  const pruning::Cost cost =
      pruning::count_cost(run.original.network.graph(), run.original.info.side);
  return static_cast<double>(run.options.cost == "macs" ? cost.macs : cost.params);
}

}  // namespace

void open_latency(PruneRun& run) {
  if (run.options.cost != "latency" || run.latency) return;
  auto stopwatch = std::make_unique<pruning::DeviceStopwatch>(run.ex, run.options.latency_batch);
  const std::string context = stopwatch->context();
  pruning::TimeTable own(run.folder / "latency.sqlite", context);
  if (run.journal.has("plan")) {
    const LatencyRecord record = planned_latency(run);
    require<ConfigError>(
        own.checksum(record.rows) == record.crc32,
        "{}: these are not the times that the run was planned with, which were taken on {}, while "
        "this is {}; go on there, or start again with another --out",
        own.path().string(), record.context, context);
  }
  std::optional<pruning::TimeTable> shared;
  if (!run.latency_table.empty()) shared.emplace(run.latency_table, context);
  run.latency =
      std::make_unique<pruning::Times>(std::move(stopwatch), std::move(own), std::move(shared));
}

void resolve_target(PruneRun& run) {
  const std::string& text = run.options.target_text;
  if (text.empty()) return;
  if (run.options.cost == "latency" && run.journal.has("plan")) {
    run.options.target = run.journal.at<PlanResult>("plan").target;
    return;
  }
  run.options.target = share_of({run.options.target, false}, original_cost(run), text);
}

LatencyRecord record_latency(PruneRun& run) {
  const pruning::Latency model = latency_model(run);
  run.latency->save();
  const pruning::TimeTable& own = run.latency->own();
  const pruning::LatencyCalibration& c = model.calibration();
  return {.context = run.latency->context(),
          .batch = run.options.latency_batch,
          .measured = run.latency->measured(),
          .rows = own.rows(),
          .crc32 = own.checksum(own.rows()),
          .original_s = model.original_seconds(),
          .overhead_s = c.overhead_seconds,
          .factor = c.factor,
          .error = c.error,
          .networks = c.networks};
}

std::string told_of_latency(const LatencyRecord& record) {
  return fmt::format(
      "latency: the original takes {:.3f} ms ({}); {} times were measured for this; predicted is "
      "{:.3f} ms + {:.3f} times the sum of the layers, off by at most {:.1f} % for {} networks",
      1e3 * record.original_s, record.context, record.measured, 1e3 * record.overhead_s,
      record.factor, 100 * record.error, record.networks);
}

double measured_share(const PruneRun& run, const nn::Graph& graph, std::int64_t side) {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::milliseconds enough(500);
  constexpr std::size_t least_rounds = 3;
  pruning::DeviceStopwatch stopwatch(run.ex, run.options.latency_batch);
  std::vector<double> shares;
  const auto start = Clock::now();
  while (shares.size() < least_rounds || Clock::now() - start < enough) {
    const double original = stopwatch.seconds(run.original.network.graph(), run.original.info.side);
    shares.push_back(stopwatch.seconds(graph, side) / original);
  }
  const auto middle = shares.begin() + std::ssize(shares) / 2;
  std::ranges::nth_element(shares, middle);
  return *middle;
}

std::string latency_note(const PruneRun& run, const nn::Model& pruned, const Candidate& chosen) {
  const LatencyRecord record = planned_latency(run);
  pruning::DeviceStopwatch now(run.ex, run.options.latency_batch);
  return fmt::format(
      "Latency in batches of {}: predicted {:.3f} ms for the original and {:.3f} ms for the pruned "
      "network, from times taken on {}; measured for this report on {}: {:.3f} ms and {:.3f} ms.",
      run.options.latency_batch, 1e3 * record.original_s, 1e3 * chosen.cost * record.original_s,
      record.context, now.context(),
      1e3 * now.seconds(run.original.network.graph(), run.original.info.side),
      1e3 * now.seconds(pruned.network.graph(), pruned.info.side));
}

}  // namespace trifold::apps
