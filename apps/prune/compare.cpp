/// Training what other ways to spend the budget choose, by the recipe of the result.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "apps/prune/baselines.h"
#include "engine/file_io.h"
#include "kernels/runtime/error.h"
#include "nn/io/model_file.h"

namespace trifold::apps {
namespace {

std::string step_of(const std::string& method, std::int64_t seed) {
  return fmt::format("compare/{}/{}", method, seed);
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
                          .training = train_result(run, step, network, chosen.side, offset)};
  nn::ModelInfo info = run.original.info;
  info.side = chosen.side;
  info.provenance.push_back({{"step", "compare"},
                             {"method", baseline.name},
                             {"at", chosen.at},
                             {"seed", run.options.training.seed + offset}});
  std::filesystem::create_directories(run.folder / "compare");
  nn::save_model(run.folder / "compare" / fmt::format("{}-{}.safetensors", baseline.name, seed),
                 {std::move(network), std::move(info)});
  return result;
}

// One line a method: the mean over its seeds, and their spread.
std::string table(const std::vector<ComparisonResult>& results) {
  std::string text =
      fmt::format("{:<17} {:>6} {:>6} {:>6} {:>9} {:>5} {:>9} {:>6} {:>14}\n", "method", "d", "w",
                  "r", "M MACs", "seeds", "test", "+-", "held-out top-1");
  for (const Baseline& baseline : baselines()) {
    std::vector<double> test, held_out;
    const ComparisonResult* first = nullptr;
    for (const ComparisonResult& r : results) {
      if (r.method != baseline.name) continue;
      if (first == nullptr) first = &r;
      test.push_back(r.training.finetuned.test);
      held_out.push_back(r.training.finetuned.held_out);
    }
    if (first == nullptr) continue;
    const auto n = static_cast<double>(test.size());
    const auto mean = [&](const std::vector<double>& v) {
      return std::accumulate(v.begin(), v.end(), 0.0) / n;
    };
    double squares = 0;
    for (double x : test) squares += (x - mean(test)) * (x - mean(test));
    const std::string spread =
        test.size() > 1 ? fmt::format("{:.2f}", std::sqrt(squares / (n - 1))) : "-";
    text += fmt::format(
        "{:<17} {:>6.3f} {:>6.3f} {:>6.3f} {:>9.2f} {:>5} {:>7.2f} % {:>6} {:>12.2f} %\n",
        baseline.name, first->chosen.at.d, first->chosen.at.w, first->chosen.at.r,
        static_cast<double>(first->training.finetuned.macs) / 1e6, test.size(), mean(test), spread,
        mean(held_out));
  }
  return text;
}

std::string csv(const std::vector<ComparisonResult>& results) {
  std::string text = "method,seed,d,w,r,side,macs,params,test_top1,heldout_top1,file\n";
  for (const ComparisonResult& r : results) {
    text += fmt::format(
        "{0},{1},{2:.4f},{3:.4f},{4:.4f},{5},{6},{7},{8:.2f},{9:.2f},"
        "compare/{0}-{1}.safetensors\n",
        r.method, r.seed, r.chosen.at.d, r.chosen.at.w, r.chosen.at.r, r.chosen.side,
        r.training.finetuned.macs, r.training.finetuned.params, r.training.finetuned.test,
        r.training.finetuned.held_out);
  }
  return text;
}

}  // namespace

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
  run.journal.at<Solution>("solve");
  const std::unique_ptr<map::Predictor> predictor = map::make_predictor(fitted.data);
  pruning::Space space = space_of(run, run.base, block_importance(run));
  for (std::int64_t seed = 0; seed < run.comparison.seeds; ++seed) {
    for (const std::string& name : run.comparison.methods) {
      if (run.journal.has(step_of(name, seed))) continue;
      const auto baseline = std::ranges::find(baselines(), name, &Baseline::name);
      const std::optional<pruning::GridIndex> at = baseline->choose(
          space, *predictor, run.options.training.seed + static_cast<std::uint64_t>(seed));
      if (!at) {
        run.callbacks.say(fmt::format("{}: meets the target nowhere; left out", name));
        continue;
      }
      const Candidate chosen = candidate_at(space, *at, predictor->value(space.place(*at)));
      const ComparisonResult result = run.journal.run<ComparisonResult>(
          step_of(name, seed), [&] { return train_baseline(run, *baseline, seed, chosen); });
      run.times.save();
      run.callbacks.say(fmt::format("{}, seed {}: test top-1 {:.2f} % at {:.2f} M MACs", name, seed,
                                    result.training.finetuned.test,
                                    static_cast<double>(result.training.finetuned.macs) / 1e6));
    }
  }
  const std::vector<ComparisonResult> results = comparison(run);
  engine::write_file_atomically(run.folder / "compare.csv", csv(results));
  run.callbacks.tell(table(results));
}

}  // namespace trifold::apps
