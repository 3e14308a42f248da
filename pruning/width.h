/// Choosing channels by the scales of their batch norms.
#pragma once

#include <cstdint>
#include <vector>

#include "nn/network.h"
#include "pruning/channels.h"

namespace trifold::pruning {

/// Hard limits on every group of channels; a group is made of the prunable channels that one layer
/// makes, so that no layer can lose everything.
struct WidthLimits {
  double floor_fraction = 0.1;  ///< least share of a group's channels that stays, and at least one
  std::int64_t round_to = 1;    ///< the number that stays is rounded up to a multiple of this
};

/// Which classes of couple_channels(prepare(graph, mode), mode) stay.
struct UnitSelection {
  WidthMode mode = WidthMode::stream;
  std::vector<bool> keep;
  std::int64_t units = 0;  ///< prunable classes
  std::int64_t kept = 0;   ///< of those, how many stay
};

/// Kept units / all units; 1 where there are none.
double kept_fraction(const UnitSelection& selection);

/// Keeps round(w units) of the prunable classes, those with the largest mean |gamma| over the batch
/// norms that scale them: one threshold for the whole network, raised in a group where the limits
/// ask for more. Equal scores go to the class of the earlier layer. A smaller w keeps a subset.
/// Errors    ConfigError: w outside (0, 1].
/// Source    Liu et al., "Network Slimming", ICCV 2017; coupled groups as in DepGraph, CVPR 2023.
UnitSelection select_units(const nn::Network& network, WidthMode mode, double w,
                           const WidthLimits& limits = {});

}  // namespace trifold::pruning
