/// Random changes of colours.
#include "nn/data/color_jitter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/safetensors.h"
#include "nn/data/loader.h"

namespace trifold::nn {
namespace {

using Kind = ColorChange::Kind;
using Bytes = std::vector<std::uint8_t>;

// tests/fixtures/make_colors.py: an image, and what torchvision makes of it.
TEST(ColorJitter, ChangesAsTorchvisionDoes) {
  const engine::SafetensorsFile file =
      engine::read_safetensors(std::string(TRIFOLD_FIXTURES) + "/colors.safetensors");
  const auto bytes = [&](const std::string& name) {
    Bytes values;
    const engine::Tensor stored = file.floats(name);
    for (const float v : stored.values()) values.push_back(static_cast<std::uint8_t>(v));
    return values;
  };
  const ColorChange::Step brighter{Kind::brightness, 1.3f}, darker{Kind::brightness, 0.55f},
      flat{Kind::contrast, 0.6f}, hard{Kind::contrast, 1.4f}, pale{Kind::saturation, 0.25f},
      gaudy{Kind::saturation, 1.375f}, turned{Kind::hue, 0.2f}, turned_back{Kind::hue, -0.35f},
      opposite{Kind::hue, 0.5f};
  const std::vector<std::tuple<std::string, ColorChange>> cases = {
      {"brighter", {{brighter}}},
      {"darker", {{darker}}},
      {"flat", {{flat}}},
      {"hard", {{hard}}},
      {"pale", {{pale}}},
      {"gaudy", {{gaudy}}},
      {"turned", {{turned}}},
      {"turned_back", {{turned_back}}},
      {"opposite", {{opposite}}},
      {"all", {{gaudy, flat, brighter}}},
      {"all_reversed", {{brighter, flat, gaudy}}},
      {"all_four", {{gaudy, brighter, turned, flat}}}};
  for (const std::int64_t channels : {3, 1}) {
    const std::string prefix = channels == 3 ? "colour." : "grey.";
    for (const auto& [name, change] : cases) {
      Bytes image = bytes(prefix + "image");
      change_colors(change, image, channels);
      const Bytes expected = bytes(prefix + name);
      ASSERT_EQ(image.size(), expected.size());
      // Where a product lies at a whole number, its last bit decides.
      std::size_t beside = 0;
      for (std::size_t i = 0; i < image.size(); ++i) {
        ASSERT_LE(std::abs(image[i] - expected[i]), 1) << prefix << name << ", byte " << i;
        beside += image[i] != expected[i] ? 1 : 0;
      }
      EXPECT_LE(beside, image.size() / 100) << prefix << name;
    }
  }
}

// The corners of the colour wheel, and where a third, a half and a sixth of a turn take them.
TEST(ColorJitter, TurnsPureColoursIntoEachOther) {
  const Bytes red = {200, 0, 0}, yellow = {200, 200, 0}, green = {0, 200, 0}, cyan = {0, 200, 200},
              blue = {0, 0, 200}, magenta = {200, 0, 200};
  const std::vector<Bytes> wheel = {red, yellow, green, cyan, blue, magenta};
  for (std::size_t from = 0; from < wheel.size(); ++from) {
    for (int sixths = -3; sixths <= 3; ++sixths) {
      Bytes pixel = wheel[from];
      change_colors({{{Kind::hue, static_cast<float>(sixths) / 6.0f}}}, pixel, 3);
      EXPECT_EQ(pixel, wheel[(from + 6 + static_cast<std::size_t>(sixths + 6)) % 6])
          << from << " by " << sixths;
    }
  }
  const Bytes greys = {0, 0, 0, 7, 7, 7, 255, 255, 255};
  Bytes turned = greys;
  change_colors({{{Kind::hue, 0.3f}}}, turned, 3);
  EXPECT_EQ(turned, greys);
  Bytes one_channel = {0, 100, 255};
  change_colors({{{Kind::hue, 0.3f}}}, one_channel, 1);
  EXPECT_EQ(one_channel, Bytes({0, 100, 255}));
  // So little that the turn is rounded up to a whole one.
  Bytes pixel = red;
  change_colors({{{Kind::hue, -1e-9f}}}, pixel, 3);
  EXPECT_EQ(pixel, red);
}

TEST(ColorJitter, HoldsTheHueInRecordsWhereItChanges) {
  const ColorJitter three{.brightness = 0.5f, .contrast = 0.25f, .saturation = 1};
  EXPECT_EQ(three.numbers(), std::vector<float>({0.5f, 0.25f, 1}));
  const ColorJitter hue{.hue = 0.125f};
  EXPECT_EQ(hue.numbers(), std::vector<float>({0, 0, 0, 0.125f}));
  EXPECT_TRUE(hue.changes());
  EXPECT_FALSE(ColorJitter{}.changes());
}

TEST(ColorJitter, DrawsTheOthersWithAHueAsWithout) {
  ColorJitter jitter{.brightness = 0.4f, .contrast = 0.4f, .saturation = 0.4f};
  const auto others = [&](std::int64_t index) {
    std::vector<std::pair<Kind, float>> steps;
    for (const auto& [kind, amount] : draw_color_change(jitter, 7, 1, index).steps) {
      if (kind != Kind::hue) {
        steps.emplace_back(kind, amount);
      } else {
        EXPECT_LE(std::abs(amount), jitter.hue);
      }
    }
    return steps;
  };
  for (int i = 0; i < 20; ++i) {
    jitter.hue = 0;
    const auto without = others(i);
    EXPECT_EQ(without.size(), 3u);
    jitter.hue = 0.25f;
    EXPECT_EQ(others(i), without);
  }
}

TEST(ColorJitter, DrawsEachFactorAndOrderEvenly) {
  const ColorJitter jitter{.brightness = 0.4f, .contrast = 1.5f, .saturation = 0, .hue = 0.25f};
  std::map<std::vector<Kind>, int> orders;
  double sum = 0, least = 9, most = 0, contrast_least = 9, contrast_most = 0;
  double turns = 0, turns_least = 9, turns_most = -9;
  constexpr int draws = 3000;
  for (int i = 0; i < draws; ++i) {
    std::vector<Kind> order;
    for (const auto& [kind, factor] : draw_color_change(jitter, 7, i % 5, i).steps) {
      order.push_back(kind);
      const double f = factor;
      if (kind == Kind::saturation) {
        EXPECT_EQ(factor, 1.0f);
      } else if (kind == Kind::contrast) {
        contrast_least = std::min(contrast_least, f);
        contrast_most = std::max(contrast_most, f);
      } else if (kind == Kind::hue) {
        turns += f;
        turns_least = std::min(turns_least, f);
        turns_most = std::max(turns_most, f);
      } else {
        sum += f;
        least = std::min(least, f);
        most = std::max(most, f);
      }
    }
    ++orders[order];
  }
  EXPECT_EQ(orders.size(), 24u);
  for (const auto& [order, count] : orders) {
    EXPECT_NEAR(count, draws / 24.0, 5 * std::sqrt(draws / 24.0));
  }
  EXPECT_NEAR(turns / draws, 0, 4 * 0.5 / std::sqrt(12.0 * draws));
  EXPECT_GE(turns_least, -0.25);
  EXPECT_LT(turns_least, -0.24);
  EXPECT_LE(turns_most, 0.25);
  EXPECT_GT(turns_most, 0.24);
  EXPECT_NEAR(sum / draws, 1.0, 4 * 0.8 / std::sqrt(12.0 * draws));
  EXPECT_GE(least, 0.6 - 1e-6);
  EXPECT_LT(least, 0.61);
  EXPECT_LE(most, 1.4 + 1e-6);
  EXPECT_GT(most, 1.39);
  EXPECT_GE(contrast_least, 0);
  EXPECT_LT(contrast_least, 0.02);
  EXPECT_GT(contrast_most, 2.48);
}

TEST(ColorJitter, OfALoaderDependsOnSeedEpochAndImageAlone) {
  Dataset data;
  data.name = "noise";
  data.count = 6;
  data.height = data.width = 4;
  data.channels = 3;
  data.classes = 2;
  for (int i = 0; i < 6 * 48; ++i) data.pixels.push_back(static_cast<std::uint8_t>(i * 37 % 251));
  data.labels = {0, 1, 0, 1, 0, 1};
  LoaderOptions options{
      .batch = 6, .seed = 3, .shuffle = false, .augmentation = Augmentation{.pad = 0}};
  options.augmentation->color = {
      .brightness = 0.4f, .contrast = 0.4f, .saturation = 0.4f, .hue = 0.1f};
  const auto pixels = [&](std::int64_t batch, std::int64_t epoch, std::uint64_t seed) {
    LoaderOptions o = options;
    o.batch = batch;
    o.seed = seed;
    Loader loader(data, o);
    loader.start(epoch);
    Bytes all;
    while (const std::optional<Batch> b = loader.next()) {
      all.insert(all.end(), b->pixels.begin(), b->pixels.end());
    }
    return all;
  };
  const Bytes found = pixels(6, 0, 3);
  EXPECT_EQ(found, pixels(2, 0, 3));
  EXPECT_NE(found, pixels(6, 1, 3));
  EXPECT_NE(found, pixels(6, 0, 4));
  Bytes first(data.pixels.begin(), data.pixels.begin() + 48);
  EXPECT_NE(Bytes(found.begin(), found.begin() + 48), first);
  change_colors(draw_color_change(options.augmentation->color, 3, 0, 0), first, 3);
  EXPECT_EQ(Bytes(found.begin(), found.begin() + 48), first);
}

}  // namespace
}  // namespace trifold::nn
