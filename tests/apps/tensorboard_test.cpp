#include "apps/cli/tensorboard.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "apps/cli/run_log.h"
#include "tests/apps/programs.h"

namespace trifold::apps_test {
namespace {

// The examples of RFC 3720, appendix B.4.
TEST(TensorBoard, ChecksumIsThatOfTheRfc) {
  std::string up, down;
  for (int i = 0; i < 32; ++i) up += static_cast<char>(i);
  for (int i = 31; i >= 0; --i) down += static_cast<char>(i);
  EXPECT_EQ(apps::crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(apps::crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(apps::crc32c(up), 0x46dd794eu);
  EXPECT_EQ(apps::crc32c(down), 0x113fdb5cu);
}

TEST(TensorBoard, RecordsAreThoseOfItsOwnWriter) {
  const std::string written =
      apps::tensorboard_beginning(1.7e9) +
      apps::tensorboard_scalars(1.7e9 + 0.25, 1, {{"train_loss", 2.302585}, {"train_top1", 11.5}}) +
      apps::tensorboard_scalars(1.7e9 + 60.5, 300, {{"lr", 0.1}});
  EXPECT_TRUE(written == read_text(fs::path(TRIFOLD_FIXTURES) / "scalars.tfevents"));
}

// What metrics.jsonl holds as numbers, line by line.
std::string events_of(const fs::path& metrics) {
  std::string events;
  std::istringstream lines(read_text(metrics));
  for (std::string line; std::getline(lines, line);) {
    const auto row = nlohmann::json::parse(line);
    events += apps::tensorboard_scalars(row.at("time"), row.at("epoch"),
                                        {{"loss", row.at("loss")}, {"lr", row.at("lr")}});
  }
  return events;
}

TEST(TensorBoard, ARunThatGoesOnHasEachEpochOnce) {
  const TempFolder folder;
  const fs::path metrics = folder / "metrics.jsonl", events = folder / "metrics.tfevents";
  const std::string beginning = apps::tensorboard_beginning(0);
  const auto row = [](int epoch, double loss) {
    return nlohmann::json{{"epoch", epoch}, {"loss", loss}, {"lr", 0.1}, {"note", "no number"}};
  };
  const apps::RunLog log(metrics.parent_path());
  log.keep_through(0);
  EXPECT_EQ(read_text(events).size(), beginning.size());
  for (int epoch = 1; epoch <= 3; ++epoch) log.append(row(epoch, 2.0 / epoch));
  EXPECT_TRUE(read_text(events).ends_with(events_of(metrics)));
  write_text(events, read_text(events).substr(0, 200));  // a kill has cut it off
  log.keep_through(2);
  log.append(row(3, 0.5));
  log.append(row(4, 0.25));
  const std::string found = read_text(events), wanted = events_of(metrics);
  EXPECT_EQ(found.size(), beginning.size() + wanted.size());
  EXPECT_TRUE(found.ends_with(wanted));
}

}  // namespace
}  // namespace trifold::apps_test
