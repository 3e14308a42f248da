/// Pruning with the library instead of the program: cut, judge, fit, solve, cut again. Without the
/// fine-tuning in between, which is what makes the networks of `prune` good: it ends in a minute.
#include <fmt/format.h>

#include <exception>
#include <vector>

#include "kernels/runtime/thread_pool.h"
#include "map/low_rank.h"
#include "map/solve_continuous.h"
#include "nn/arch/architectures.h"
#include "nn/data/source.h"
#include "nn/train/evaluate.h"
#include "nn/train/reestimate.h"
#include "nn/train/trainer.h"
#include "pruning/cost.h"
#include "pruning/depth.h"
#include "pruning/surgery.h"

using namespace trifold;

int main() try {
  kernels::ThreadPool threads;
  const kernels::Exec ex{.pool = &threads};
  const nn::DataSplits data = nn::load_data("fashion-mnist");
  const nn::HeldOutSplit split = nn::split_held_out(data.train, 2000, /*seed=*/0);
  const nn::Dataset train = nn::split_held_out(split.train, 6000, /*seed=*/0).held_out;
  const nn::Normalisation normalisation = nn::measure_normalisation(train);

  nn::Network network(nn::make_architecture("resnet14", train.channels, train.classes));
  nn::initialise(network, /*seed=*/0);
  nn::TrainOptions options;
  options.epochs = 2;
  nn::Trainer trainer(network, train, normalisation, 28, options, ex);
  while (!trainer.done()) trainer.run_epoch([](const nn::Progress&) { return true; });

  // The network with `blocks` of its blocks, a share w of its channels and images of another side.
  const nn::Graph& graph = network.graph();
  const auto all = static_cast<std::int64_t>(graph.blocks.size());
  const std::vector<double> later_is_less(graph.blocks.size(), 0.0);  // equal: the last goes first
  const auto cut_to = [&](std::int64_t blocks, double w) {
    const std::vector<bool> keep = pruning::select_blocks(graph, later_is_less, blocks);
    const nn::Network shallow = pruning::cut(network, {.keep_block = keep}).network;
    const auto units = pruning::select_units(shallow, pruning::WidthMode::stream, w);
    return pruning::cut(shallow, {.units = units}).network;
  };
  const auto accuracy = [&](nn::Network candidate, std::int64_t side) {
    // A cut leaves the running statistics behind; measure them anew before judging.
    nn::reestimate_batch_norm(candidate, train, normalisation, side, ex, /*seed=*/0);
    return nn::evaluate(candidate, split.held_out, normalisation, side, ex).top1();
  };

  std::vector<map::Sample> samples = {{{1, 1, 1}, accuracy(network.clone(), 28)}};
  for (std::int64_t b : {5, 4, 3}) {
    samples.push_back({{static_cast<double>(b) / 6, 1, 1}, accuracy(cut_to(b, 1), 28)});
  }
  for (double w : {0.9, 0.8, 0.7}) samples.push_back({{1, w, 1}, accuracy(cut_to(all, w), 28)});
  for (std::int64_t side : {24, 20, 16}) {
    samples.push_back({{1, 1, static_cast<double>(side) / 28}, accuracy(network.clone(), side)});
  }
  for (const map::Sample& s : samples) {
    fmt::print("d {:.3f}  w {:.3f}  r {:.3f}  {:.2f} %\n", s.at.d, s.at.w, s.at.r, s.accuracy);
  }

  const map::LowRankFit fit = map::fit_low_rank(samples, {.degree = 2});
  const map::ContinuousSolution best = map::solve_continuous(fit.model, map::CostModel::paper(),
                                                             /*budget=*/0.5, fit.model.lower());
  const auto blocks = static_cast<std::int64_t>(best.at.d * static_cast<double>(all) + 0.5);
  const auto side = static_cast<std::int64_t>(best.at.r * 28 + 0.5);
  nn::Network pruned = cut_to(blocks, best.at.w);
  const double share = static_cast<double>(pruning::count_cost(pruned.graph(), side).macs) /
                       static_cast<double>(pruning::count_cost(graph, 28).macs);
  fmt::print(
      "best: {} of {} blocks, {:.3f} of the channels, {} pixels: {:.3f} of the MACs, {:.2f} %\n",
      blocks, all, best.at.w, side, share, accuracy(pruned.clone(), side));
  return share < 0.7 ? 0 : 1;
} catch (const std::exception& e) {
  fmt::print(stderr, "error: {}\n", e.what());
  return 1;
}
