/// The cost of measured latency, on a device that is made up: times are exact, and what is measured
/// is counted.
#include "pruning/costs/latency.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>

#include "engine/file_io.h"
#include "kernels/runtime/error.h"
#include "nn/arch/architectures.h"
#include "pruning/space.h"
#include "surgery_support.h"
#include "tests/nn/depthwise_network.h"
#include "tests/nn/grouped_network.h"

namespace trifold::pruning {
namespace {

namespace fs = std::filesystem;

struct Folder {
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "trifold-latency-XXXXXX").string();
    path = mkdtemp(pattern.data());
  }
  ~Folder() { fs::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  fs::path operator/(const std::string& name) const { return path / name; }
  fs::path path;
};

// A layer takes as long as its arithmetic or its memory, whichever is longer, and a microsecond to
// start; a network 20 microseconds more, and its layers a tenth less than alone.
class MadeUp : public Stopwatch {
 public:
  explicit MadeUp(int* calls, std::string name = "made up")
      : calls_(calls), name_(std::move(name)) {}

  std::string context() const override { return name_; }
  std::int64_t filters_at_once() const override { return 8; }
  double seconds(const Layer& layer) override {
    ++*calls_;
    return of(layer);
  }
  double seconds(const nn::Graph& graph, std::int64_t side) override {
    ++*calls_;
    double sum = 20e-6;
    for (const Layer& layer : layers_of(graph, side)) sum += 0.9 * of(layer);
    return sum;
  }

 private:
  static double of(const Layer& l) {
    const auto n = [](std::int64_t value) { return static_cast<double>(value); };
    const double pixels = n(l.h * l.w) / n(l.stride * l.stride);
    const double filters = std::ceil(n(l.out) / 8) * 8;
    const double macs = l.op == "conv2d" ? pixels * n(l.window * l.window * l.in) * filters : 0;
    const double bytes = 4 * (n(l.h * l.w * l.in) + pixels * n(l.out) * (l.residual ? 2 : 1));
    return 1e-6 + std::max(macs / 20e9, bytes / 10e9);
  }

  int* calls_;
  std::string name_;
};

struct LatencyTest : ::testing::Test {
  Folder folder;
  int calls = 0;
  nn::Graph graph = nn::make_architecture("resnet14", 3, 10);

  Times times(const std::string& own, const std::string& shared = "",
              const std::string& device = "made up") {
    std::optional<TimeTable> table;
    if (!shared.empty()) table.emplace(folder / shared, device);
    return {std::make_unique<MadeUp>(&calls, device), TimeTable(folder / own, device),
            std::move(table)};
  }
};

std::size_t folded_convolutions(const std::vector<Layer>& layers) {
  return static_cast<std::size_t>(std::ranges::count(layers, "conv2d", &Layer::op));
}

TEST_F(LatencyTest, LayersAreThoseOfTheFoldedNetwork) {
  const std::vector<Layer> layers = layers_of(graph, 32);
  EXPECT_EQ(folded_convolutions(layers), 13u);
  EXPECT_EQ(std::ranges::count(layers, "batch_norm", &Layer::op), 0);
  EXPECT_EQ(std::ranges::count_if(layers, &Layer::residual), 6);
  EXPECT_EQ(layers.front(), (Layer{.op = "conv2d",
                                   .h = 32,
                                   .w = 32,
                                   .in = 3,
                                   .out = 16,
                                   .window = 3,
                                   .stride = 1,
                                   .pad = 1}));
  EXPECT_EQ(layers.back(), (Layer{.op = "linear", .in = 64, .out = 10}));
  // Of a dense block's concats each writes the new channels alone, and its norms are worked by the
  // convolutions that read them.
  const std::vector<Layer> dense =
      layers_of(nn::densenet({.layers_per_block = 3, .growth = 4, .stem = 8}, 3, 10), 32);
  EXPECT_GT(std::ranges::count_if(dense, &Layer::norm), 8);
  const auto copied =
      std::ranges::count_if(dense, [](const Layer& l) { return l.op == "concat" && l.out == 4; });
  EXPECT_EQ(copied, 6);
  // Depthwise convolutions take the norm behind them, too.
  const std::vector<Layer> inverted = layers_of(nn::inverted_residuals(), 32);
  EXPECT_EQ(std::ranges::count(inverted, "batch_norm", &Layer::op), 0);
  EXPECT_EQ(std::ranges::count(inverted, Layer{.op = "depthwise_conv2d",
                                               .h = 32,
                                               .w = 32,
                                               .in = 24,
                                               .out = 24,
                                               .window = 3,
                                               .stride = 1,
                                               .pad = 1}),
            2);
}

// What pruning leaves of a convolution in groups is between measured numbers of them.
TEST_F(LatencyTest, MeasuresWholeGroups) {
  const std::vector<Layer> layers = layers_of(nn::grouped_bottlenecks(), 32);
  EXPECT_EQ(std::ranges::count(layers, "batch_norm", &Layer::op), 0);
  const auto layer = std::ranges::find(layers, "grouped_conv2d", &Layer::op);
  ASSERT_NE(layer, layers.end());
  EXPECT_EQ(layer->groups, 6);
  EXPECT_NE(to_string(*layer).find("6 groups"), std::string::npos);
  Times measured = times("grouped");
  const auto seconds = [&](std::int64_t groups) {
    Layer cut = *layer;
    cut.groups = groups;
    cut.in = cut.out = 2 * groups;
    return measured.seconds(cut);
  };
  EXPECT_NEAR(seconds(5), (seconds(4) + seconds(6)) / 2, 1e-12);
  EXPECT_LT(seconds(4), seconds(6));
}

TEST_F(LatencyTest, PredictsWholeNetworks) {
  Times measured = times("a");
  const Latency model(graph, 32, &measured);
  EXPECT_EQ(model.calibration().networks, 5);
  EXPECT_LT(model.calibration().error, 0.05);
  EXPECT_DOUBLE_EQ(model.ratio({}, graph, 32), 1.0);
  MadeUp device(&calls);
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    const nn::Graph small =
        cut(nn::Network(graph), testing::random_plan(graph, WidthMode::stream, true, true, seed))
            .network.graph();
    for (const std::int64_t side : {18, 24, 32}) {
      const double expected = device.seconds(small, side);
      EXPECT_NEAR(model.seconds(small, side) / expected, 1.0, 0.1) << seed << " " << side;
    }
  }
}

TEST_F(LatencyTest, FallsWithBlocksChannelsAndPixels) {
  Times measured = times("a");
  const nn::Network network = testing::random_network(graph, 3);
  const std::vector<double> importance(graph.blocks.size(), 0.0);
  Space space(network, 32, cost_model("latency").make(graph, 32, &measured), {.target = 0.4},
              importance,
              [](const nn::Network& n, const Units& u) { return unit_scores(n, u.mode); });
  const auto d = std::ssize(space.blocks()) - 1, w = std::ssize(space.widths()) - 1,
             r = std::ssize(space.sides()) - 1;
  ASSERT_GT(std::min({d, w, r}), 0);
  EXPECT_DOUBLE_EQ(space.ratio(d, w, r), 1.0);
  EXPECT_LT(space.ratio(d - 1, w, r), 1.0);
  EXPECT_LT(space.ratio(d, 0, r), 0.9);
  EXPECT_LT(space.ratio(d, w, r - 1), 1.0);
  for (std::int64_t i = 0; i < w; ++i) EXPECT_LE(space.ratio(d, i, r), space.ratio(d, i + 1, r));
  EXPECT_LE(space.cheapest().ratio, space.ratio(0, 0, 0));

  // A sketch of a device whose layers are bound by arithmetic here and by memory there.
  const map::CostModel smooth = space.cost().continuous(space.samples());
  for (const CostSample& s : space.samples()) {
    EXPECT_NEAR(smooth.ratio(s.at) / s.ratio, 1.0, 0.3) << s.at.d << " " << s.at.w << " " << s.at.r;
  }
  for (const double e : smooth.elasticities({0.8, 0.8, 0.8})) EXPECT_GT(e, 0.0);
}

// Costs 1 with all channels, and the more the narrower the network is.
class DearWhereNarrow : public CostModel {
 public:
  double ratio(const map::Point& at, const nn::Graph&, std::int64_t) const override {
    return (2.0 - at.w) * at.d * at.r;
  }
  bool may_fall_with_width() const override { return true; }
};

TEST_F(LatencyTest, SpacesTakeTheDearestOfTheNarrowerNetworks) {
  const nn::Network network = testing::random_network(graph, 3);
  Space space(network, 32, std::make_unique<DearWhereNarrow>(), {.target = 0.5},
              std::vector<double>(graph.blocks.size(), 0.0),
              [](const nn::Network& n, const Units& u) { return unit_scores(n, u.mode); });
  const auto w = std::ssize(space.widths()) - 1;
  ASSERT_GT(w, 10);
  const double narrowest = 2.0 - space.grid().width.front();
  const auto d = std::ssize(space.blocks()) - 1, r = std::ssize(space.sides()) - 1;
  for (std::int64_t i = 0; i <= w; ++i) EXPECT_DOUBLE_EQ(space.ratio(d, i, r), narrowest);
}

TEST_F(LatencyTest, TheContinuousFormHasAShareThatStays) {
  Times measured = times("a");
  const Latency model(graph, 32, &measured);
  std::vector<CostSample> samples;
  for (const double d : {0.4, 0.7, 1.0}) {
    for (const double w : {0.3, 0.6, 1.0}) {
      for (const double r : {0.5, 0.75, 1.0}) {
        samples.push_back({{d, w, r}, 0.3 + 0.7 * std::pow(d, 0.8) * std::pow(w, 1.5) * r * r});
      }
    }
  }
  const map::CostModel smooth = model.continuous(samples);
  EXPECT_NEAR(smooth.ratio({0.5, 0.5, 0.6}),
              0.3 + 0.7 * std::pow(0.5, 0.8) * std::pow(0.5, 1.5) * 0.36, 1e-9);
}

TEST_F(LatencyTest, WhatIsMeasuredOnceIsNotMeasuredAgain) {
  const auto seconds = [&](Times measured) {
    const double result = Latency(graph, 32, &measured).seconds(graph, 20);
    EXPECT_EQ(measured.measured(), calls);
    measured.save();
    return result;
  };
  const double first = seconds(times("run", "shared"));
  EXPECT_GT(calls, 20);
  for (const auto& [own, shared] : std::vector<std::pair<std::string, std::string>>{
           {"run", ""}, {"other", "shared"}, {"third", "run"}, {"other", ""}}) {
    calls = 0;
    EXPECT_EQ(seconds(times(own, shared)), first) << own << " " << shared;
    EXPECT_EQ(calls, 0) << own << " " << shared;
  }
  // Another device is measured anew, in the same file.
  EXPECT_EQ(seconds(times("run", "shared", "other device")), first);
  EXPECT_GT(calls, 20);
  calls = 0;
  EXPECT_EQ(seconds(times("run")), first);
  EXPECT_EQ(calls, 0);
}

TEST_F(LatencyTest, TablesSayWhatTheirFirstRowsWere) {
  TimeTable table(folder / "t", "here");
  table.add("a", 0.1);
  table.add("b", 1.0 / 3.0);
  table.save();
  const std::string two = table.checksum(2);
  table.add("a", 5.0);  // keeps its time
  table.add("c", 2.0);
  table.save();
  EXPECT_EQ(table.rows(), 3u);
  EXPECT_EQ(table.checksum(2), two);
  EXPECT_NE(table.checksum(3), two);
  const TimeTable again(folder / "t", "here");
  EXPECT_EQ(again.find("b"), 1.0 / 3.0);
  EXPECT_EQ(again.checksum(2), two);
  EXPECT_EQ(again.checksum(3), table.checksum(3));
  EXPECT_NE(TimeTable(folder / "t", "there").checksum(2), two);
}

TEST_F(LatencyTest, TwoThatWriteOneTableLoseNothing) {
  TimeTable one(folder / "t", "here"), two(folder / "t", "here");
  one.add("a", 1.0);
  two.add("a", 2.0);
  two.add("b", 3.0);
  one.save();
  two.save();
  const TimeTable both(folder / "t", "here");
  EXPECT_EQ(both.find("a"), 1.0);
  EXPECT_EQ(both.find("b"), 3.0);
}

template <class E>
void expect_refused(const fs::path& path, const std::string& part) {
  try {
    TimeTable(path, "here");
    FAIL() << path;
  } catch (const E& e) {
    const std::string text = e.what();
    EXPECT_NE(text.find(path.string()), std::string::npos) << text;
    EXPECT_NE(text.find(part), std::string::npos) << text;
  }
}

TEST_F(LatencyTest, DamagedAndForeignFilesAreRefused) {
  std::ofstream(folder / "text") << std::string(5000, 'x');
  expect_refused<FileError>(folder / "text", "remove it");

  TimeTable table(folder / "cut", "here");
  for (int i = 0; i < 500; ++i) table.add(std::string(50, 'w') + std::to_string(i), 1.0 + i);
  table.save();
  fs::resize_file(folder / "cut", fs::file_size(folder / "cut") / 2);
  expect_refused<FileError>(folder / "cut", "remove it");

  const auto made = [&](const std::string& name, const std::string& sql) {
    sqlite3* database = nullptr;
    sqlite3_open((folder / name).c_str(), &database);
    EXPECT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(database);
    return folder / name;
  };
  expect_refused<FileError>(made("foreign", "CREATE TABLE times (a, b)"), "of another use");
  for (const std::string bad : {"0", "-1", "1e999", "'text'"}) {
    const std::string name = "bad" + bad;
    TimeTable(folder / name, "here");
    expect_refused<FileError>(
        made(name, "INSERT INTO times (context, work, seconds) VALUES ('here', 'a', " + bad + ")"),
        "seconds");
  }
}

TEST_F(LatencyTest, APlaceThatCannotBeWrittenIsNamed) {
  expect_refused<engine::WriteError>(folder / "none" / "t", "can't be written");
  expect_refused<engine::WriteError>(folder.path, "can't be written");
}

TEST(CostModels, LatencyNeedsTimes) {
  const nn::Graph graph = nn::make_architecture("resnet8", 3, 10);
  EXPECT_THROW(cost_model("latency").make(graph, 32), ConfigError);
}

template <std::size_t... I>
std::vector<nn::Op> one_of_each(std::index_sequence<I...>) {
  return {nn::Op(std::in_place_index<I>)...};
}

TEST_F(LatencyTest, TheDeviceKnowsEveryOp) {
  DeviceStopwatch device({}, 2);
  for (const nn::Op& op : one_of_each(std::make_index_sequence<std::variant_size_v<nn::Op>>())) {
    // No pass of inference has these.
    if (std::holds_alternative<nn::Input>(op) || std::holds_alternative<nn::Dropout>(op)) continue;
    const Layer layer{.op = nn::op_name(op), .h = 4, .w = 4, .in = 8, .out = 8};
    EXPECT_GT(device.seconds(layer), 0.0) << to_string(layer);
  }
}

// Every operation of every architecture can be timed; what the times are is the machine's matter.
TEST_F(LatencyTest, TheDeviceTakesTheTimeOfEveryLayer) {
  DeviceStopwatch device({}, 2);
  EXPECT_NE(device.context().find("batches of 2"), std::string::npos);
  std::set<std::string> ops;
  for (const nn::Graph& g :
       {nn::cifar_resnet(8, nn::Shortcut::A, 3, 10), nn::make_architecture("resnet18", 3, 10),
        nn::densenet({.layers_per_block = 2, .growth = 4, .stem = 8}, 3, 10),
        nn::inverted_residuals()}) {
    for (Layer layer : layers_of(g, 32)) {
      if (layer.in > 16 || !ops.insert(layer.op + (layer.norm ? "n" : "")).second) continue;
      EXPECT_GT(device.seconds(layer), 0.0) << to_string(layer);
    }
  }
  for (const Layer& layer :
       {Layer{.op = "relu", .h = 4, .w = 4, .in = 8, .out = 8},
        Layer{.op = "add", .h = 4, .w = 4, .in = 8, .out = 8},
        Layer{.op = "linear", .in = 8, .out = 3},
        Layer{.op = "depthwise_conv2d", .h = 4, .w = 4, .in = 8, .out = 8, .residual = true},
        Layer{.op = "batch_norm", .h = 4, .w = 4, .in = 8, .out = 8, .residual = true},
        Layer{.op = "grouped_conv2d",
        .h = 4,
        .w = 4,
        .in = 8,
        .out = 12,
        .window = 3,
        .pad = 1,
        .groups = 4,
        .residual = true},
        Layer{.op = "conv2d",
        .h = 4,
        .w = 4,
        .in = 8,
        .out = 5,
        .window = 3,
        .stride = 2,
        .pad = 1,
        .residual = true}}) {
    EXPECT_GT(device.seconds(layer), 0.0) << to_string(layer);
  }
  EXPECT_THROW(device.seconds(Layer{.op = "dream"}), ShapeError);
  EXPECT_GT(device.seconds(nn::make_architecture("resnet8", 3, 10), 16), 0.0);
}

}  // namespace
}  // namespace trifold::pruning
