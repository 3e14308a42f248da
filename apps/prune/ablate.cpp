/// What the choice would have been with another predictor, fewer points or fewer dimensions: the
/// paper's ablations, from the points that are there.
#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "apps/prune/baselines.h"
#include "apps/prune/run.h"
#include "engine/file_io.h"
#include "map/error.h"
#include "map/families.h"
#include "map/solve_discrete.h"
#include "map/validate.h"

namespace trifold::apps {
namespace {

// A choice made in another way, and what the run's own predictor says of it.
struct Variant {
  std::string name;
  std::int64_t samples = 0;
  std::optional<double> loo_mae;
  std::optional<map::Point> at;
  double own = 0;       ///< accuracy that the variant predicts for its choice
  double judged = 0;    ///< and the run's predictor
  std::string problem;  ///< why there is no choice
};

// Of the points along each axis `count` in equal steps, the last among them; the others stay.
std::vector<map::Sample> thinned(const PruneRun& run, std::int64_t count) {
  std::vector<map::Sample> samples;
  for (const DataPoint& p : data_points(run)) {
    const std::int64_t rounds = run.options.rounds;
    bool stays = p.dimension != "depth" && p.dimension != "width" && p.dimension != "resolution";
    for (std::int64_t i = 1; i <= count; ++i) stays = stays || p.round == i * rounds / count;
    if (stays) samples.push_back({p.at(), p.accuracy()});
  }
  return samples;
}

class Ablation {
 public:
  Ablation(PruneRun& run, const FitResult& fitted)
      : own_(map::make_predictor(fitted.data)),
        space_(space_of(run, run.base, block_importance(run))) {
    space_.set_target(run.journal.at<Solution>("solve").budget);
  }

  // Fits a family to samples, and chooses by it.
  Variant with(const std::string& name, const std::string& family,
               const std::vector<map::Sample>& samples) {
    Variant v{.name = name, .samples = std::ssize(samples), .loo_mae = {}, .at = {}, .problem = {}};
    try {
      const map::FitFunction& fit = map::predictor_family(family).fit;
      const std::unique_ptr<map::Predictor> predictor = fit(samples);
      const map::DiscreteCandidate best = best_by(*predictor);
      v.at = best.at;
      v.own = best.accuracy;
      v.judged = own_->value(best.at);
      v.loo_mae = map::leave_one_out(samples, fit).mae;
    } catch (const map::FitError& e) {
      v.problem = e.what();
    }
    return v;
  }

  // Chooses by the run's predictor as a baseline does.
  Variant within(const Baseline& baseline, std::int64_t samples) {
    Variant v{.name = baseline.name, .samples = samples, .loo_mae = {}, .at = {}, .problem = {}};
    const std::optional<pruning::GridIndex> at = baseline.choose(space_, *own_, 0);
    if (!at) {
      v.problem = "meets the target nowhere";
      return v;
    }
    v.at = space_.place(*at);
    v.own = v.judged = own_->value(*v.at);
    return v;
  }

 private:
  map::DiscreteCandidate best_by(const map::Predictor& predictor) {
    return map::solve_discrete(
               predictor, space_.grid(),
               [&](std::int64_t d, std::int64_t w, std::int64_t r) {
                 return space_.ratio(d, w, r);
               },
               space_.options().target)
        .front();
  }

  std::unique_ptr<map::Predictor> own_;
  pruning::Space space_;
};

std::string table(const std::vector<Variant>& variants) {
  std::string text = fmt::format("{:<24} {:>7} {:>8} {:>6} {:>6} {:>6} {:>10} {:>10}\n", "variant",
                                 "points", "left-out", "d", "w", "r", "predicted", "by all");
  for (const Variant& v : variants) {
    const std::string left_out = v.loo_mae ? fmt::format("{:.2f}", *v.loo_mae) : "-";
    text += fmt::format("{:<24} {:>7} {:>8} ", v.name, v.samples, left_out);
    text += v.at ? fmt::format("{:>6.3f} {:>6.3f} {:>6.3f} {:>8.2f} % {:>8.2f} %", v.at->d, v.at->w,
                               v.at->r, v.own, v.judged)
                 : v.problem;
    if (v.at && !v.problem.empty()) text += "  " + v.problem;
    text += "\n";
  }
  return text;
}

std::string csv(const std::vector<Variant>& variants) {
  std::string text = "variant,points,loo_mae,d,w,r,predicted,predicted_by_all\n";
  for (const Variant& v : variants) {
    text += fmt::format("{},{},{},", v.name, v.samples,
                        v.loo_mae ? fmt::format("{:.4f}", *v.loo_mae) : "");
    text += v.at ? fmt::format("{:.4f},{:.4f},{:.4f},{:.4f},{:.4f}\n", v.at->d, v.at->w, v.at->r,
                               v.own, v.judged)
                 : ",,,,\n";
  }
  return text;
}

}  // namespace

void ablate(PruneRun& run) {
  const FitResult fitted = run.journal.at<FitResult>("fit");
  const std::vector<map::Sample> samples = samples_of(run);
  Ablation ablation(run, fitted);
  std::vector<Variant> variants = {
      ablation.with("as the run: " + fitted.family, fitted.family, samples)};
  for (const map::PredictorFamily& family : map::predictor_families()) {
    if (family.name != fitted.family) {
      variants.push_back(ablation.with(family.name, family.name, samples));
    }
  }
  for (std::int64_t count = 1; count < run.options.rounds; ++count) {
    variants.push_back(
        ablation.with(fmt::format("{} points an axis", count), fitted.family, thinned(run, count)));
  }
  for (const char* name :
       {"depth", "width", "resolution", "depth-width", "depth-resolution", "width-resolution"}) {
    variants.push_back(ablation.within(*std::ranges::find(baselines(), name, &Baseline::name),
                                       std::ssize(samples)));
  }
  engine::write_file_atomically(run.folder / "ablation.csv", csv(variants));
  run.callbacks.tell(table(variants));
}

}  // namespace trifold::apps
