#include "pruning/probe.h"

#include <algorithm>
#include <cmath>

#include "engine/random.h"
#include "kernels/optimizer.h"
#include "kernels/runtime/error.h"
#include "kernels/softmax_cross_entropy.h"
#include "nn/data/device_loader.h"
#include "nn/execute/executor.h"
#include "nn/train/network_input.h"
#include "nn/train/schedule.h"

namespace trifold::pruning {
namespace {

using engine::Tape;
using engine::Tensor;
using engine::Var;

// The averaged activations at one place of the network: (images, channels).
struct Features {
  std::int64_t channels = 0;
  std::vector<float> values;
};

struct FeatureSet {
  std::vector<Features> places;
  std::vector<std::int32_t> labels;
};

// The input of the first block, then every block's output. Blocks follow one another, so the input
// of a later block is the output of the one before it, or is made from that by a transition.
std::vector<nn::NodeId> places_of(const nn::Graph& graph) {
  std::vector<nn::NodeId> places{graph.blocks.front().input};
  for (const nn::Block& block : graph.blocks) places.push_back(block.output);
  return places;
}

FeatureSet extract(const nn::Network& network, const nn::Dataset& data,
                   const nn::Normalisation& normalisation, nn::InputSize size,
                   const kernels::Exec& ex) {
  const std::vector<nn::NodeId> places = places_of(network.graph());
  const nn::Executor executor(network);
  FeatureSet set;
  set.places.resize(places.size());
  nn::DeviceLoader loader(data, normalisation, {.batch = 250, .shuffle = false}, ex);
  loader.start(0);
  while (const std::optional<nn::DeviceBatch> batch = loader.next()) {
    Tape tape(ex, Tape::Mode::no_grad);
    const std::vector<Var> taps =
        executor.forward(tape, nn::network_input(ex, batch->x, size), nn::inference, places).taps;
    for (std::size_t i = 0; i < taps.size(); ++i) {
      const Tensor mean = engine::global_avg_pool(tape, taps[i]).value.to(Device{});
      set.places[i].channels = mean.shape().channels();
      set.places[i].values.insert(set.places[i].values.end(), mean.values().begin(),
                                  mean.values().end());
    }
  }
  set.labels = data.labels;
  return set;
}

// Brings both to mean 0 and deviation 1 a channel, as measured on `train`.
void standardise(Features& train, Features& held_out) {
  const auto c = static_cast<std::size_t>(train.channels);
  const double n = static_cast<double>(train.values.size()) / static_cast<double>(c);
  for (std::size_t j = 0; j < c; ++j) {
    double sum = 0, squares = 0;
    for (std::size_t i = j; i < train.values.size(); i += c) sum += train.values[i];
    const double mean = sum / n;
    for (std::size_t i = j; i < train.values.size(); i += c) {
      squares += (train.values[i] - mean) * (train.values[i] - mean);
    }
    const double scale = 1.0 / std::sqrt(squares / n + 1e-8);
    for (Features* features : {&train, &held_out}) {
      for (std::size_t i = j; i < features->values.size(); i += c) {
        features->values[i] = static_cast<float>((features->values[i] - mean) * scale);
      }
    }
  }
}

// The rows `order[first, first + n)` of a feature matrix and their labels, on the device.
std::pair<Var, Tensor> gather(const Features& features, const std::vector<std::int32_t>& labels,
                              const std::vector<std::int64_t>& order, std::int64_t first,
                              std::int64_t n, Device device) {
  std::vector<float> rows;
  std::vector<std::int32_t> chosen;
  for (std::int64_t i = first; i < first + n; ++i) {
    const std::int64_t row = order[static_cast<std::size_t>(i)];
    const auto begin = features.values.begin() + row * features.channels;
    rows.insert(rows.end(), begin, begin + features.channels);
    chosen.push_back(labels[static_cast<std::size_t>(row)]);
  }
  return {
      Var::constant(Tensor::from({n, features.channels}, std::span(std::as_const(rows)), device)),
      Tensor::from({n}, std::span(std::as_const(chosen)), device)};
}

// Trains a linear classifier on `train` and returns its top-1 on `held_out` in percent.
double probe(const Features& train, const std::vector<std::int32_t>& train_labels,
             const Features& held_out, const std::vector<std::int32_t>& held_out_labels,
             std::int64_t classes, const kernels::Exec& ex, const ProbeOptions& options) {
  const Var w = Var::parameter(Tensor::zeros({train.channels, classes}, ex.device));
  const Var b = Var::parameter(Tensor::zeros({classes}, ex.device));
  const Tensor vw = Tensor::zeros(w.shape(), ex.device), vb = Tensor::zeros(b.shape(), ex.device);
  const auto count = static_cast<std::int64_t>(train_labels.size());
  const std::int64_t batch = std::min(options.batch, count), batches = count / batch;
  for (std::int64_t epoch = 0; epoch < options.epochs; ++epoch) {
    const std::vector<std::int64_t> order =
        engine::permutation(count, engine::Random(options.seed, engine::random_streams::probe,
                                                  static_cast<std::uint32_t>(epoch)));
    for (std::int64_t i = 0; i < batches; ++i) {
      const double at =
          static_cast<double>(epoch) + static_cast<double>(i) / static_cast<double>(batches);
      const double rate = nn::learning_rate({}, options.lr, at, static_cast<double>(options.epochs),
                                            1.0 / static_cast<double>(batches));
      const kernels::SgdParams sgd{static_cast<float>(rate), 0.9f, 1e-4f, 0.0f, false};
      const auto [x, labels] = gather(train, train_labels, order, i * batch, batch, ex.device);
      Tape tape(ex);
      tape.backward(
          engine::softmax_cross_entropy(tape, engine::linear(tape, x, w, &b), labels, 0.0f));
      for (const auto& [parameter, velocity] : {std::pair(&w, &vw), std::pair(&b, &vb)}) {
        const Tensor gradient = parameter->gradient->take();
        kernels::sgd_step(ex, gradient.size(), sgd, gradient.data(), velocity->data(),
                          parameter->value.data());
      }
    }
  }
  const auto n = static_cast<std::int64_t>(held_out_labels.size());
  Tape tape(ex, Tape::Mode::no_grad);
  const Var x =
      Var::constant(Tensor::from({n, held_out.channels}, std::span(held_out.values), ex.device));
  const Tensor labels = Tensor::from({n}, std::span(held_out_labels), ex.device);
  const Var logits = engine::linear(tape, x, w, &b);
  const Tensor correct = Tensor::empty({1}, ex.device, engine::DType::i32);
  kernels::count_top1(ex, {n, classes}, logits.value.data(), labels.ints(), correct.ints());
  return 100.0 * correct.to(Device{}).int_values()[0] / static_cast<double>(n);
}

}  // namespace

ProbeResult probe_blocks(const nn::Network& network, const nn::Dataset& train,
                         const nn::Dataset& held_out, const nn::Normalisation& normalisation,
                         nn::InputSize size, const kernels::Exec& ex, const ProbeOptions& options) {
  require<ConfigError>(!network.graph().blocks.empty(),
                       "the network has no blocks, so its depth can't be pruned");
  nn::check_fits(network, train);
  std::vector<std::int64_t> chosen =
      engine::permutation(train.count, engine::Random(options.seed, engine::random_streams::probe));
  chosen.resize(static_cast<std::size_t>(std::min(options.images, train.count)));
  FeatureSet learn = extract(network, nn::subset(train, chosen), normalisation, size, ex);
  FeatureSet judge = extract(network, held_out, normalisation, size, ex);

  std::vector<double> accuracies;
  for (std::size_t i = 0; i < learn.places.size(); ++i) {
    standardise(learn.places[i], judge.places[i]);
    accuracies.push_back(probe(learn.places[i], learn.labels, judge.places[i], judge.labels,
                               train.classes, ex, options));
  }
  ProbeResult result{accuracies.front(), {accuracies.begin() + 1, accuracies.end()}, {}};
  for (std::size_t i = 1; i < accuracies.size(); ++i) {
    result.importance.push_back(accuracies[i] - accuracies[i - 1]);
  }
  return result;
}

}  // namespace trifold::pruning
