#include "kernels/dropout.h"

#include "kernels/philox.h"
#include "kernels/runtime/error.h"
#include "tests/kernels/support_ops.h"
#include "tests/oracle/dropout.h"

namespace trifold::kernels {
namespace {

using namespace test;

constexpr DropoutDraws draws{.seed = 0x123456789abcdef0u, .stream = 7, .layer = 0xdeadbeefu};

// Random123's known answers.
TEST(Dropout, DrawsPhiloxsWords) {
  const auto expect = [](const PhiloxWords& words, const std::array<std::uint32_t, 4>& wanted) {
    for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(words.v[i], wanted[i]) << i;
  };
  expect(philox({{0, 0, 0, 0}}, 0), {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  constexpr std::uint32_t ones = 0xffffffff;
  expect(philox({{ones, ones, ones, ones}}, ~std::uint64_t{0}),
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
}

TEST(Dropout, KeepsWhatTheReferenceKeepsAndScalesIt) {
  for (const std::int64_t count : {1, 3, 4, 5, 1023, 5000}) {
    for (const float rate : {0.0f, 0.25f, 0.5f, 0.9f}) {
      for (const std::uint32_t step : {0u, 1u, (1u << 24) - 1}) {
        SCOPED_TRACE(testing::Message() << count << ", " << rate << ", step " << step);
        const Floats x = normals(count, 1), at{static_cast<float>(step)};
        const std::vector<bool> kept =
            oracle::dropout_kept(index(count), rate, draws.seed, draws.stream, draws.layer, step);
        const Doubles y = oracle::dropout(widen(x), rate, kept);
        run_everywhere(
            {nans(count), x},
            [&](const Trial& ex, const std::vector<float*>& out) {
              dropout(ex, count, rate, draws, ex.in(at), ex.in(x), out[0]);
              dropout(ex, count, rate, draws, ex.in(at), out[1], out[1]);  // in place
            },
            [&](const std::vector<Floats>& out) {
              // The factor is rounded, and the product.
              expect_within(out[0], y, [&](std::size_t i) { return 3 * unit * std::abs(y[i]); });
              EXPECT_TRUE(same_bits(out[0], out[1]));
            });
      }
    }
  }
}

// Elements draw by their places in x, wherever that lies.
TEST(Dropout, TakesArraysThatVectorsDoNotFit) {
  constexpr std::int64_t count = 1001;
  const Floats x = normals(count, 1), at{3.0f};
  const Doubles y = oracle::dropout(
      widen(x), 0.5f,
      oracle::dropout_kept(index(count), 0.5f, draws.seed, draws.stream, draws.layer, 3));
  Floats behind_one{0.0f};
  behind_one.insert(behind_one.end(), x.begin(), x.end());
  run_everywhere(
      {nans(count + 1)},
      [&](const Trial& ex, const std::vector<float*>& out) {
        dropout(ex, count, 0.5f, draws, ex.in(at), ex.in(behind_one) + 1, out[0] + 1);
      },
      [&](const std::vector<Floats>& out) {
        expect_within(Floats(out[0].begin() + 1, out[0].end()), y,
                      [&](std::size_t i) { return 3 * unit * std::abs(y[i]); });
      });
}

TEST(Dropout, DropsTheShareThatItIsAskedFor) {
  constexpr std::int64_t count = 100000;
  const std::vector<bool> first = oracle::dropout_kept(count, 0.3, 1, 7, 2, 0);
  // Another seed, layer or step draws anew: two draws agree by chance, in 0.3^2 + 0.7^2 of elements.
  for (const std::vector<bool>& other :
       {oracle::dropout_kept(count, 0.3, 2, 7, 2, 0), oracle::dropout_kept(count, 0.3, 1, 7, 3, 0),
        oracle::dropout_kept(count, 0.3, 1, 7, 2, 1)}) {
    std::int64_t kept = 0, same = 0;
    for (std::size_t i = 0; i < other.size(); ++i) {
      kept += other[i] ? 1 : 0;
      same += other[i] == first[i] ? 1 : 0;
    }
    EXPECT_NEAR(static_cast<double>(kept) / count, 0.7, 0.01);
    EXPECT_NEAR(static_cast<double>(same) / count, 0.58, 0.01);
  }
}

TEST(Dropout, RefusesRatesThatAreNoShare) {
  for (const Device device : devices()) {
    const Exec ex{.device = device};
    for (const float rate : {-0.1f, 1.0f, 2.0f, nan}) {
      EXPECT_SHAPE_ERROR(dropout(ex, 1, rate, draws, nullptr, nullptr, nullptr), "dropout");
    }
  }
}

}  // namespace
}  // namespace trifold::kernels
