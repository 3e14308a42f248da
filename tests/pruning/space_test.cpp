/// What is planned is what will be searched: over drawn spaces, the answer to "can the target be
/// met" agrees with the search that follows, and with brute force over all networks.
#include "pruning/space.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "kernels/runtime/error.h"
#include "map/error.h"
#include "map/low_rank.h"
#include "pruning/depth.h"
#include "surgery_support.h"

namespace trifold::pruning {
namespace {

using testing::random_network;

// A network of convolutions in a row, without any block.
nn::Graph plain() {
  nn::Graph g;
  const nn::NodeId x = g.add("input", nn::Input{3}, {});
  const nn::NodeId a = g.add("conv1", nn::Conv2d{12, 3, 1, 1}, {x});
  const nn::NodeId b = g.add("bn1", nn::BatchNorm{true}, {a});
  const nn::NodeId c = g.add("conv2", nn::Conv2d{20, 3, 2, 1}, {b});
  const nn::NodeId d = g.add("bn2", nn::BatchNorm{true}, {c});
  const nn::NodeId e = g.add("pool", nn::GlobalAvgPool{}, {d});
  g.add("fc", nn::Linear{10}, {e});
  return g;
}

std::vector<nn::Graph> graphs() {
  return {nn::cifar_resnet(8, nn::Shortcut::A, 3, 10), nn::cifar_resnet(14, nn::Shortcut::A, 3, 10),
          nn::cifar_resnet(14, nn::Shortcut::B, 3, 10),
          nn::densenet({.layers_per_block = 2, .growth = 4, .stem = 8}, 3, 10), plain()};
}

// Multiply-accumulates and parameters by plain loops over the nodes.
struct Counted {
  double macs = 0, params = 0;
};
Counted count(const nn::Graph& graph, std::int64_t side) {
  Counted result;
  const auto extents = nn::infer_extents(graph, side);
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const nn::Node& node = graph.nodes[i];
    const nn::Extent out = extents[i];
    if (node.inputs.empty()) continue;
    const auto in = static_cast<double>(extents[static_cast<std::size_t>(node.inputs[0])].c);
    const auto k = static_cast<double>(out.c);
    if (const auto* conv = std::get_if<nn::Conv2d>(&node.op)) {
      const auto weights = in * k * static_cast<double>(conv->window * conv->window);
      result.macs += weights * static_cast<double>(out.h * out.w);
      result.params += weights + (conv->bias ? k : 0);
    } else if (const auto* linear = std::get_if<nn::Linear>(&node.op)) {
      result.macs += in * k;
      result.params += in * k + (linear->bias ? k : 0);
    } else if (std::holds_alternative<nn::BatchNorm>(node.op)) {
      result.params += 2 * k;
    }
  }
  return result;
}

double ratio(const std::string& cost, const map::Point& at, const nn::Graph& graph,
             std::int64_t side, const nn::Graph& original, std::int64_t full) {
  if (cost == "paper") return at.d * at.w * at.w * at.r * at.r;
  const Counted now = count(graph, side), before = count(original, full);
  return cost == "macs" ? now.macs / before.macs : now.params / before.params;
}

// The same polynomial along each dimension, in x scaled from [0.05, 1] to [-1, 1].
map::LowRank product(const std::vector<double>& factor) {
  map::PredictorData data{"low_rank", 1, {}, {0.05, 0.05, 0.05}, {1.0, 1.0, 1.0}, {}};
  for (std::size_t i = 0; i < 3; ++i) {
    data.degree[i] = std::ssize(factor) - 1;
    data.coefficients.insert(data.coefficients.end(), factor.begin(), factor.end());
  }
  return map::LowRank(data);
}

// One question about a network; unless said otherwise, of equally important blocks.
struct Question {
  explicit Question(nn::Graph graph, std::uint64_t seed = 1)
      : network(random_network(std::move(graph), seed)),
        importance(network.graph().blocks.size(), 0.0) {}

  nn::Network network;
  std::vector<double> importance;
  std::string cost = "macs";
  std::int64_t side = 32;
  SpaceOptions options = {};
};

template <class T>
T one_of(engine::Random& random, const std::vector<T>& values) {
  return values[static_cast<std::size_t>(random.uniform_int(std::ssize(values)))];
}

Question draw(std::uint64_t seed) {
  engine::Random random(seed, 2000);
  Question drawn(one_of(random, graphs()), seed);
  drawn.cost = one_of<std::string>(random, {"macs", "macs", "params", "paper"});
  drawn.side = one_of<std::int64_t>(random, {8, 13, 16, 32});
  const std::int64_t dimensions = 1 + random.uniform_int(7);
  SpaceOptions& o = drawn.options;
  o.target = one_of<double>(random, {0.05, 0.2, 0.3, 0.5, 0.5, 0.7, 0.9});
  o.depth = (dimensions & 1) != 0;
  o.width = (dimensions & 2) != 0;
  o.resolution = (dimensions & 4) != 0;
  o.width_mode = one_of(random, std::vector{WidthMode::stream, WidthMode::inner});
  o.limits.floor_fraction = one_of<double>(random, {0.0, 0.1, 0.1, 0.5, 1.0});
  o.limits.round_to = one_of<std::int64_t>(random, {1, 1, 8, 64});
  o.resolution_step = one_of<std::int64_t>(random, {1, 2, 2, 3, 1024});
  o.rounds = one_of<std::int64_t>(random, {1, 2, 4, 7});
  if (random.uniform() < 0.15) o.limits.exclude = {"*"};
  for (double& importance : drawn.importance) importance = random.normal();
  return drawn;
}

std::vector<double> score(const nn::Network& network, const Units& units) {
  return unit_scores(network, units.mode);
}

Space space_of(const Question& drawn) {
  return Space(drawn.network, drawn.side,
               cost_model(drawn.cost).make(drawn.network.graph(), drawn.side), drawn.options,
               drawn.importance, score);
}

// The least cost over all networks of a space, each of them cut and counted.
double least_by_brute_force(const Question& drawn) {
  const SpaceOptions& o = drawn.options;
  const nn::Graph& graph = drawn.network.graph();
  const auto all = std::ssize(graph.blocks);
  double least = std::numeric_limits<double>::infinity();
  for (std::int64_t blocks = o.depth && all > 0 ? min_depth(graph) : all; blocks <= all; ++blocks) {
    CutPlan depth;
    if (all > 0) depth.keep_block = select_blocks(graph, drawn.importance, blocks);
    const nn::Network shallow = std::move(cut(drawn.network, depth).network);
    for (int percent = o.width ? 1 : 100; percent <= 100; percent += percent < 20 ? 1 : 5) {
      const UnitSelection units = select_units(shallow, o.width_mode, percent / 100.0, o.limits);
      const nn::Network narrow = std::move(cut(shallow, {.units = units}).network);
      const double kept =
          select_units(drawn.network, o.width_mode, percent / 100.0, o.limits).kept_fraction();
      for (std::int64_t side = drawn.side; 2 * side >= drawn.side; side -= o.resolution_step) {
        if (side != drawn.side && !o.resolution) break;
        const map::Point at{all > 0 ? static_cast<double>(blocks) / static_cast<double>(all) : 1.0,
                            kept, static_cast<double>(side) / static_cast<double>(drawn.side)};
        least = std::min(least, ratio(drawn.cost, at, narrow.graph(), side, graph, drawn.side));
      }
    }
  }
  return least;
}

// The points along one dimension: some, each an option, descending from below the original's to the
// end of the range.
template <class T>
void expect_steps(const std::vector<T>& points, const std::vector<T>& options,
                  std::int64_t rounds) {
  ASSERT_LE(std::ssize(points), rounds);
  ASSERT_EQ(points.empty(), options.size() == 1);
  if (points.empty()) return;
  EXPECT_LT(points.front(), options.back());
  EXPECT_EQ(points.back(), options.front());
  for (std::size_t i = 0; i < points.size(); ++i) {
    EXPECT_TRUE(std::ranges::find(options, points[i]) != options.end());
    if (i > 0) {
      EXPECT_LT(points[i], points[i - 1]);
    }
  }
}

TEST(Space, WhatItSaysCanBeMetIsFoundAndNothingElse) {
  int met = 0, refused = 0;
  for (std::uint64_t seed = 0; seed < 80; ++seed) {
    SCOPED_TRACE(seed);
    const Question drawn = draw(seed);
    Space space = space_of(drawn);
    const map::DiscreteSpace& grid = space.grid();
    const auto cost = [&](std::int64_t d, std::int64_t w, std::int64_t r) {
      return space.ratio(d, w, r);
    };
    // Accuracies that want the largest network, the smallest one, and something between.
    const std::vector<std::vector<double>> factors = {{1, 0.2}, {1, -0.2}, {1, 0.1, -0.3}};
    if (space.cheapest().ratio > drawn.options.target) {
      ++refused;
      EXPECT_GT(least_by_brute_force(drawn), drawn.options.target);
      EXPECT_THROW(map::solve_discrete(product(factors[0]), grid, cost, drawn.options.target),
                   map::InfeasibleError);
      continue;
    }
    ++met;
    for (const std::vector<double>& factor : factors) {
      const auto best = map::solve_discrete(product(factor), grid, cost, drawn.options.target);
      const map::DiscreteCandidate& c = best.front();
      EXPECT_LE(c.cost, drawn.options.target);
      const std::int64_t side = space.sides()[static_cast<std::size_t>(c.resolution)];
      const Cut chosen = cut_to(drawn.network, drawn.options, drawn.importance, score,
                                space.blocks()[static_cast<std::size_t>(c.depth)],
                                space.widths()[static_cast<std::size_t>(c.width)].asked);
      EXPECT_NEAR(
          ratio(drawn.cost, c.at, chosen.network.graph(), side, drawn.network.graph(), drawn.side),
          c.cost, 1e-12);
    }
    expect_steps(space.depth_points(), space.blocks(), drawn.options.rounds);
    expect_steps(space.width_points(), grid.width, drawn.options.rounds);
    expect_steps(space.resolution_points(), space.sides(), drawn.options.rounds);
    EXPECT_EQ(space.points().size(), 1 + space.depth_points().size() + space.width_points().size() +
                                         space.resolution_points().size());
  }
  EXPECT_GT(met, 20);
  EXPECT_GT(refused, 20);
}

TEST(Space, EndsWhereOneDimensionIsEnough) {
  const Question drawn(nn::cifar_resnet(14, nn::Shortcut::A, 3, 10));
  Space space = space_of(drawn);
  const auto d = std::ssize(space.blocks()) - 1, w = std::ssize(space.widths()) - 1,
             r = std::ssize(space.sides()) - 1;
  EXPECT_LE(space.ratio(d, w, 0), 0.5);
  EXPECT_GT(space.ratio(d, w, 1), 0.5);
  EXPECT_LE(space.ratio(d, 0, r), 0.5);
  EXPECT_GT(space.ratio(d, 1, r), 0.5);
  // Where it is the only dimension, it goes a little further.
  Question alone(nn::cifar_resnet(14, nn::Shortcut::A, 3, 10));
  alone.options.depth = alone.options.width = false;
  EXPECT_EQ(space_of(alone).sides().front(), 20);
  // A dimension without options doesn't count: a ResNet-8 can't lose a block.
  Question shallow(nn::cifar_resnet(8, nn::Shortcut::A, 3, 10));
  shallow.options.width = false;
  EXPECT_EQ(space_of(shallow).sides().front(), 20);
}

TEST(Space, TheFrontierIsWhatNothingLargerMeetsTheTarget) {
  int candidates = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    const Question drawn = draw(seed);
    Space space = space_of(drawn);
    std::vector<GridIndex> within;
    for (std::int64_t d = 0; d < std::ssize(space.blocks()); ++d) {
      for (std::int64_t r = 0; r < std::ssize(space.sides()); ++r) {
        for (std::int64_t w = 0; w < std::ssize(space.widths()); ++w) {
          if (space.ratio(d, w, r) <= drawn.options.target) within.push_back({d, w, r});
        }
      }
    }
    std::vector<GridIndex> frontier;
    for (const GridIndex& a : within) {
      bool dominated = false;
      for (const GridIndex& b : within) {
        dominated |=
            !(a == b) && b.depth >= a.depth && b.width >= a.width && b.resolution >= a.resolution;
      }
      if (!dominated) frontier.push_back(a);
    }
    EXPECT_EQ(space.budget_frontier(), frontier);
    for (const GridIndex& at : frontier) {
      const map::Point place = space.place(at);
      EXPECT_EQ(place.w, space.widths()[static_cast<std::size_t>(at.width)].kept);
      EXPECT_LE(place.d, 1.0);
      EXPECT_EQ(place.r * static_cast<double>(drawn.side),
                static_cast<double>(space.sides()[static_cast<std::size_t>(at.resolution)]));
    }
    candidates += static_cast<int>(frontier.size());
  }
  EXPECT_GT(candidates, 20);
}

TEST(Space, SidesThatTheNetworkCannotTakeAreNoOptions) {
  // Two poolings of 2 x 2 leave nothing of an image of 3 x 3.
  Question drawn(nn::densenet({.layers_per_block = 2, .growth = 4}, 3, 10));
  drawn.side = 5;
  drawn.options.target = 0.1;
  drawn.options.depth = drawn.options.width = false;
  drawn.options.resolution_step = 1;
  EXPECT_EQ(space_of(drawn).sides(), (std::vector<std::int64_t>{4, 5}));
}

TEST(NearestSelection, FollowsThePlannedWidthsInCutNetworks) {
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    SCOPED_TRACE(seed);
    Question drawn = draw(seed);
    drawn.cost = "macs";
    drawn.options.depth = drawn.options.resolution = false;
    drawn.options.width = true;
    drawn.options.limits = {};
    drawn.options.limits.floor_fraction = 0.25;
    drawn.options.rounds = 4;
    const WidthMode mode = drawn.options.width_mode;
    const Space space = space_of(drawn);
    WidthLimits limits = drawn.options.limits;
    const auto floors = group_floors(find_units(drawn.network.graph(), mode), limits);
    limits.group_floors = floors;
    nn::Network network = drawn.network.clone();
    double w = 1;
    std::uint64_t trained = seed;
    for (double wanted : space.width_points()) {
      // Training changes the scales between two cuts.
      network = random_network(network.graph(), ++trained + 100);
      const UnitSelection selection = nearest_selection(
          find_units(network.graph(), mode), unit_scores(network, mode), wanted / w, limits);
      w *= selection.kept_fraction();
      network = std::move(cut(network, {.units = selection}).network);
      EXPECT_NEAR(w, wanted, 1e-12);
      const Units left = find_units(network.graph(), mode);
      std::map<std::string, std::int64_t> sizes;
      for (const Unit& unit : left.units) {
        ++sizes[left.groups[static_cast<std::size_t>(unit.group)]];
      }
      for (const auto& [group, least] : floors) EXPECT_GE(sizes[group], least) << group;
    }
    EXPECT_FALSE(space.width_points().empty());
  }
}

TEST(NearestSelection, RemovesSomethingWhereRoundingLeavesAChoice) {
  const nn::Network network = random_network(nn::cifar_resnet(8, nn::Shortcut::A, 3, 10), 3);
  const Units units = find_units(network.graph(), WidthMode::inner);
  const std::vector<double> scores = unit_scores(network, WidthMode::inner);
  const auto kept = [&](double share, std::int64_t round_to) {
    WidthLimits limits;
    limits.round_to = round_to;
    return nearest_selection(units, scores, share, limits).kept_fraction();
  };
  // Groups of 16, 32 and 64 channels, in whole multiples of 16: ninths and their like are left.
  EXPECT_LT(kept(0.99, 16), 1.0);
  EXPECT_NEAR(kept(0.5, 1), 0.5, 1e-12);
  EXPECT_EQ(kept(0.5, 64), 1.0);
}

TEST(CostModels, AreKnownByName) {
  EXPECT_EQ(cost_models().front().name, "macs");
  std::set<std::string> names;
  for (const CostModelEntry& entry : cost_models()) names.insert(entry.name);
  EXPECT_EQ(names, (std::set<std::string>{"macs", "params", "paper", "latency"}));
  try {
    cost_model("flops");
    FAIL();
  } catch (const ConfigError& e) {
    EXPECT_NE(std::string(e.what()).find("macs, params, paper, latency"), std::string::npos)
        << e.what();
  }
}

TEST(CostModels, ThePaperCountsNoGraph) {
  const nn::Graph graph = plain();
  const auto paper = cost_model("paper").make(graph, 16);
  EXPECT_DOUBLE_EQ(paper->ratio({0.5, 0.5, 0.5}, graph, 16), 0.5 * 0.25 * 0.25);
  EXPECT_DOUBLE_EQ(cost_model("macs").make(graph, 16)->ratio({0.5, 0.5, 0.5}, graph, 16), 1.0);
  const std::array<double, 3> exponents{1, 2, 2};
  EXPECT_EQ(paper->continuous({}).exponents(), exponents);
}

TEST(CostModels, TheContinuousFormFollowsThePowerLawOfTheSamples) {
  const auto model = cost_model("macs").make(plain(), 16);
  std::vector<CostSample> samples;
  for (double d : {0.5, 1.0}) {
    for (double w : {0.25, 1.0}) {
      for (double r : {0.5, 1.0}) samples.push_back({{d, w, r}, d * std::pow(w, 1.5) * r * r});
    }
  }
  const auto law = model->continuous(samples);
  EXPECT_NEAR(law.ratio({0.6, 0.7, 0.8}), 0.6 * std::pow(0.7, 1.5) * 0.64, 1e-12);
  // The parameters don't change with the resolution.
  for (CostSample& s : samples) s.ratio = s.at.d * s.at.w;
  const auto flat = model->continuous(samples);
  EXPECT_NEAR(flat.ratio({0.6, 0.7, 0.8}), 0.42, 1e-12);
  EXPECT_FALSE(flat.exponents());
}

}  // namespace
}  // namespace trifold::pruning
