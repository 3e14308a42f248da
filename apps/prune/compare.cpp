/// Training what other ways to spend the budget choose, by the recipe of the result.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "apps/prune/baselines.h"
#include "apps/prune/latency.h"
#include "apps/prune/share.h"
#include "engine/file_io.h"
#include "kernels/runtime/error.h"
#include "nn/io/model_file.h"

namespace trifold::apps {
namespace {

std::string step_of(const std::string& method, std::int64_t seed) {
  return fmt::format("compare/{}/{}", method, seed);
}

std::optional<Candidate> chosen_by(PruneRun& run, const Baseline& baseline, pruning::Space& space,
                                   const map::Predictor& predictor, std::int64_t seed) {
  if (baseline.choose == nullptr) return chosen_candidate(run);
  const std::optional<pruning::GridIndex> at = baseline.choose(
      space, predictor, run.options.training.seed + static_cast<std::uint64_t>(seed));
  if (!at) return std::nullopt;
  return candidate_at(space, *at, predictor.value(space.place(*at)));
}

ComparisonResult train_baseline(PruneRun& run, const Baseline& baseline, std::int64_t seed,
                                const Candidate& chosen) {
  const std::string step = step_of(baseline.name, seed);
  const auto offset = static_cast<std::uint64_t>(seed);
  nn::Network network = std::move(cut_base(run, chosen).network);
  if (baseline.from_scratch) {
    nn::initialise(network, run.options.training.seed + offset);
  } else {
    reestimate(run, network, chosen.side);
  }
  ComparisonResult result{.method = baseline.name,
                          .seed = seed,
                          .chosen = chosen,
                          .training = train_result(run, step, network, chosen.side, offset),
                          .time = measured_share(run, network.graph(), chosen.side)};
  nn::ModelInfo info = run.original.info;
  info.side = chosen.side;
  info.provenance.push_back({{"step", "compare"},
                             {"method", baseline.name},
                             {"at", chosen.at},
                             {"seed", run.options.training.seed + offset}});
  make_folder_in(run.folder, "compare");
  nn::save_model(run.folder / "compare" / fmt::format("{}-{}.safetensors", baseline.name, seed),
                 {std::move(network), std::move(info)});
  return result;
}

void train_once(PruneRun& run, const Baseline& baseline, std::int64_t seed,
                const Candidate& chosen) {
  const std::string step = step_of(baseline.name, seed);
  if (run.journal.has(step)) return;  // by another process
  const auto result = do_step<ComparisonResult>(
      run, step, [&] { return train_baseline(run, baseline, seed, chosen); });
  run.times.save();
  run.callbacks.say(fmt::format("{}, seed {}: test top-1 {:.2f} % at {:.2f} M MACs", baseline.name,
                                seed, result.training.finetuned.test,
                                static_cast<double>(result.training.finetuned.macs) / 1e6));
}

// One line a method: the mean over its seeds, and their spread.
std::string table(const std::vector<ComparisonResult>& results) {
  std::string text =
      fmt::format("{:<17} {:>6} {:>6} {:>6} {:>9} {:>6} {:>5} {:>9} {:>6} {:>14}\n", "method", "d",
                  "w", "r", "M MACs", "time", "seeds", "test", "+-", "held-out top-1");
  for (const MethodSummary& m : by_method(results)) {
    text += fmt::format(
        "{:<17} {:>6.3f} {:>6.3f} {:>6.3f} {:>9.2f} {:>6.3f} {:>5} {:>7.2f} % {:>6} {:>12.2f} %\n",
        m.method, m.chosen.at.d, m.chosen.at.w, m.chosen.at.r, static_cast<double>(m.macs) / 1e6,
        m.time, m.trainings, m.test, m.spread ? fmt::format("{:.2f}", *m.spread) : "-", m.held_out);
  }
  return text;
}

std::string csv(const std::vector<ComparisonResult>& results) {
  std::string text = "method,seed,d,w,r,side,macs,params,time,test_top1,heldout_top1,file\n";
  for (const ComparisonResult& r : results) {
    text += fmt::format(
        "{0},{1},{2:.4f},{3:.4f},{4:.4f},{5},{6},{7},{8:.4f},{9:.2f},{10:.2f},"
        "compare/{0}-{1}.safetensors\n",
        r.method, r.seed, r.chosen.at.d, r.chosen.at.w, r.chosen.at.r, r.chosen.side,
        r.training.finetuned.macs, r.training.finetuned.params, r.time, r.training.finetuned.test,
        r.training.finetuned.held_out);
  }
  return text;
}

}  // namespace

std::vector<MethodSummary> by_method(const std::vector<ComparisonResult>& results) {
  std::vector<MethodSummary> rows;
  for (const Baseline& baseline : baselines()) {
    std::vector<double> test;
    MethodSummary row{.method = baseline.name};
    for (const ComparisonResult& r : results) {
      if (r.method != baseline.name) continue;
      if (test.empty()) row.chosen = r.chosen;
      test.push_back(r.training.finetuned.test);
      row.macs = r.training.finetuned.macs;
      row.held_out += r.training.finetuned.held_out;
      row.time += r.time;
    }
    if (test.empty()) continue;
    const auto n = static_cast<double>(test.size());
    row.trainings = std::ssize(test);
    row.test = std::reduce(test.begin(), test.end()) / n;
    row.held_out /= n;
    row.time /= n;
    double squares = 0;
    for (double x : test) squares += (x - row.test) * (x - row.test);
    if (test.size() > 1) row.spread = std::sqrt(squares / (n - 1));
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<ComparisonResult> comparison(const PruneRun& run) {
  std::vector<ComparisonResult> results;
  for (const std::string& step : run.journal.steps()) {
    if (!step.starts_with("compare/") || step.ends_with("/heal")) continue;
    results.push_back(run.journal.at<ComparisonResult>(step));
  }
  return results;
}

void compare(PruneRun& run) {
  const FitResult fitted = run.journal.at<FitResult>("fit");
  const Solution solution = run.journal.at<Solution>("solve");
  const std::unique_ptr<map::Predictor> predictor = map::make_predictor(fitted.data);
  pruning::Space space = space_of(run, run.base, block_importance(run));
  space.set_target(solution.budget);
  std::vector<Task> tasks;
  for (std::int64_t seed = 0; seed < run.comparison.seeds; ++seed) {
    for (const std::string& name : run.comparison.methods) {
      if (run.journal.has(step_of(name, seed))) continue;
      const auto baseline = std::ranges::find(baselines(), name, &Baseline::name);
      const std::optional<Candidate> choice = chosen_by(run, *baseline, space, *predictor, seed);
      if (!choice) {
        run.callbacks.say(fmt::format("{}: meets the target nowhere; left out", name));
        continue;
      }
      tasks.push_back({step_of(name, seed), [&run, &method = *baseline, seed, chosen = *choice] {
                         train_once(run, method, seed, chosen);
                       }});
    }
  }
  share(run, std::move(tasks));
  if (run.is_worker) return;  // who holds the folder writes the table of all
  const std::vector<ComparisonResult> results = comparison(run);
  engine::write_file_atomically(run.folder / "compare.csv", csv(results));
  run.callbacks.tell(table(results));
}

}  // namespace trifold::apps
