/// What a run of prune has recorded in its folder.
#pragma once

#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "tests/apps/programs.h"

namespace trifold::apps_test {

/// The results of the steps that are done, by their names.
inline nlohmann::json steps_of(const fs::path& run) {
  nlohmann::json steps;
  for (const auto& file : fs::directory_iterator(run / "steps")) {
    nlohmann::json record = nlohmann::json::parse(read_text(file.path()));
    steps[record.at("step").get<std::string>()] = std::move(record.at("result"));
  }
  return steps;
}

inline nlohmann::json settings_of(const fs::path& run) {
  return nlohmann::json::parse(read_text(run / "journal.json")).at("settings");
}

inline fs::path record_of(const fs::path& run, std::string step) {
  std::ranges::replace(step, '/', '-');
  return run / "steps" / (step + ".json");
}

/// The checksum that belongs to a step's result.
inline std::string checksum_of(const std::string& step, const nlohmann::json& result) {
  const std::string text = step + "\n" + result.dump();
  char sum[16] = {};
  std::snprintf(
      sum, sizeof sum, "%08lx",
      crc32(0, reinterpret_cast<const Bytef*>(text.data()), static_cast<uInt>(text.size())));
  return sum;
}

}  // namespace trifold::apps_test
