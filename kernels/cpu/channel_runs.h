/// The channel list of a gather as runs of consecutive sources, which copy as blocks.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace trifold::kernels::cpu {

/// Output channels [target, target + length) read the source channels from `source` on, or are
/// zeros where source is -1.
struct ChannelRun {
  std::int64_t source, target, length;
};

inline std::vector<ChannelRun> channel_runs(std::span<const std::int32_t> source) {
  std::vector<ChannelRun> runs;
  for (std::size_t j = 0; j < source.size(); ++j) {
    const bool zeros = source[j] < 0;
    const auto continues = [&](const ChannelRun& run) {
      return zeros ? run.source < 0 : run.source >= 0 && run.source + run.length == source[j];
    };
    if (!runs.empty() && continues(runs.back())) {
      ++runs.back().length;
    } else {
      runs.push_back({source[j], static_cast<std::int64_t>(j), 1});
    }
  }
  return runs;
}

}  // namespace trifold::kernels::cpu
