/// A report with every part filled, as a run on ResNet-56 might leave it.
#pragma once

#include <cmath>
#include <limits>

#include "apps/report/report.h"

namespace trifold::apps::report {

inline double sample_accuracy(double d, double w, double r) {
  return 94 * (1 - 0.08 * std::pow(1 - d, 2)) * (1 - 0.25 * std::pow(1 - w, 3)) *
         (1 - 0.4 * std::pow(1 - r, 2.5));
}

inline LayerRow sample_layer(int stage, int block, int conv) {
  const std::int64_t channels = 16LL << stage, side = 32 >> stage;
  const std::int64_t kept = channels * 13 / 16, kept_side = side * 15 / 16;
  LayerRow row;
  row.name = "layer" + std::to_string(stage + 1) + "." + std::to_string(block) + ".conv" +
             std::to_string(conv);
  row.op = "conv 3x3";
  const auto shape = [](std::int64_t c, std::int64_t s) {
    return std::to_string(c) + " x " + std::to_string(s) + " x " + std::to_string(s);
  };
  row.output_before = shape(channels, side);
  row.output_after = shape(kept, kept_side);
  row.channels_before = channels;
  row.channels_after = kept;
  row.params_before = 9 * channels * channels;
  row.params_after = 9 * kept * kept;
  row.macs_before = row.params_before * side * side;
  row.macs_after = row.params_after * kept_side * kept_side;
  row.removed = block >= 8;
  return row;
}

inline Report full_sample() {
  Report report;
  report.title = "ResNet-56 at half the cost";
  report.command_line =
      "prune apply --model resnet56.safetensors --data cifar-10 --target 0.5 --cost macs --seed 1";
  report.versions = {
      {"trifold", "0.1.0"}, {"compiler", "GCC 12.2"}, {"kernels", "AVX2, 2 threads"}};
  report.dataset = "CIFAR-10";
  report.model = "ResNet-56";
  report.seed = 18446744073709551615ULL;
  report.stages = {{"collect", 5000}, {"finetune", 2384}};
  report.target = {0.5, "macs", 62745000, 440000, 125490000, 855770};
  report.chosen = Choice{{0.889, 0.8125, 0.9375}, {8, 8, 8}, {13, 26, 52}, 30, 93.01};
  report.continuous = ContinuousPoint{
      {0.9193, 0.8016, 0.92}, 93.16, {0.021, 0.042, 0.042}, 0.02, "It is a KKT point."};
  report.gap = 0.15;
  report.predictor =
      PredictorQuality{"rank1-degree3",
                       "It is the first that noise allows.",
                       {3, 2, 3},
                       13,
                       0.2,
                       0.41,
                       0.962,
                       {{"rank1-degree3", "a product", 10, false, true, 0.1, 0.41, 0.962, ""}}};
  report.certainty = Certainty{{0.85, 0.9, 0.95},
                               {0.75, 0.8, 0.85},
                               {0.9, 0.92, 0.94},
                               {92.6, 93.0, 93.3},
                               {{"width", 0.5, {0.889, 0.8, 0.95}, 0.04}}};
  report.summary = {{"original", 125490000, 855770, 94.12, 93.37, 812.0},
                    {"pruned, raw", 62745000, 440000, 31.25, std::nullopt, std::nullopt},
                    {"BN re-estimated", 62745000, 440000, 84.44, std::nullopt, std::nullopt},
                    {"fine-tuned", 62745000, 440000, 93.50, 91.73, 1424.0}};
  for (int stage = 0; stage < 3; ++stage) {
    for (int block = 0; block < 9; ++block) {
      for (int conv = 1; conv <= 2; ++conv) {
        report.layers.push_back(sample_layer(stage, block, conv));
      }
    }
  }
  report.comparison = {{"joint", {0.889, 0.8125, 0.9375}, 62745000, 3, 0.55, 93.5, 91.73, 0.12},
                       {"width", {1, 0.7, 1}, 62100000, 1, 0.8, 92.6, 91.02, std::nullopt}};
  report.blocks = {{"layer1.0", 18.4, 0.3, true}, {"layer3.8", 0.1, 0.2, false}};
  const std::vector<std::string> names = {"depth", "width", "resolution"};
  report.samples.push_back({"original", 0, {}, sample_accuracy(1, 1, 1)});
  for (int axis = 0; axis < 3; ++axis) {
    AxisCurve curve;
    curve.dimension = names[static_cast<std::size_t>(axis)];
    const auto at = [&](double x) {
      return Ratios{axis == 0 ? x : 1, axis == 1 ? x : 1, axis == 2 ? x : 1};
    };
    for (int i = 0; i <= 60; ++i) {
      const double x = 0.3 + 0.7 * i / 60;
      const Ratios p = at(x);
      curve.x.push_back(x);
      curve.predicted.push_back(sample_accuracy(p.d, p.w, p.r));
    }
    for (int round = 1; round <= 4; ++round) {
      const double x = 1 - 0.15 * round;
      const Ratios p = at(x);
      const double noise = 0.4 * std::sin(5.0 * round + axis);
      const double accuracy = sample_accuracy(p.d, p.w, p.r) + noise;
      curve.measured.push_back({x, accuracy});
      report.samples.push_back({curve.dimension, round, p, accuracy});
    }
    report.axes.push_back(curve);
  }
  BudgetSurface surface;
  for (int i = 0; i <= 40; ++i) surface.d.push_back(0.3 + 0.7 * i / 40);
  for (int i = 0; i <= 40; ++i) surface.r.push_back(0.4 + 0.6 * i / 40);
  for (const double d : surface.d) {
    for (const double r : surface.r) {
      const double w = std::sqrt(0.5 / (d * r * r));
      surface.predicted.push_back(w <= 1 ? sample_accuracy(d, w, r)
                                         : std::numeric_limits<double>::quiet_NaN());
    }
  }
  surface.chosen = report.chosen->at;
  surface.kkt = report.continuous->at;
  surface.cloud = {{0.85, 0.8, 0.94}, {0.9, 0.8, 0.92}};
  report.surface = surface;
  for (const int scale : {1, 2}) {
    TrainingCurve curve;
    curve.series = scale == 1 ? "original" : "fine-tuned";
    for (int epoch = 1; epoch <= 40; ++epoch) {
      curve.epochs.push_back(epoch);
      curve.train_loss.push_back(0.05 + 2.0 / scale * std::exp(-epoch / 8.0));
      curve.held_out_accuracy.push_back(epoch % 2 == 0 ? 93 - 50.0 / scale * std::exp(-epoch / 6.0)
                                                       : std::numeric_limits<double>::quiet_NaN());
    }
    report.training.push_back(curve);
  }
  report.notes = {"MACs count convolutions and the classifier, multiply and add as one."};
  report.warnings = {"Time fell by 1.75x while MACs fell by 2.00x."};
  return report;
}

}  // namespace trifold::apps::report
