/// Width: which channels to keep, by their scores.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "nn/network.h"
#include "pruning/channels.h"

namespace trifold::pruning {

/// Which channels `width` is about.
enum class WidthMode {
  /// Those inside the blocks: all but a residual block's last convolution; of a DenseNet, the
  /// channels that each batch norm selects from those that its layer could read. Cost falls about
  /// linearly with the kept fraction.
  inner,
  /// All, the residual stream (in a DenseNet: what each convolution adds to it) too. Cost falls
  /// about with the square of the kept fraction.
  stream
};

/// What is kept or removed as one.
struct Unit {
  std::int64_t group;     ///< index into Units::groups
  ClassId channel_class;  ///< the coupled channels; -1 for a selection
  nn::NodeId reader;      ///< for a selection, the batch norm that reads the channel; else -1
  std::int64_t channel;   ///< the channel of the reader, or of the class's first producer

  /// Whether it is a channel that one batch norm alone may leave unread, and no class of channels.
  bool is_selection() const { return reader >= 0; }
};

/// All units of a graph, grouped by the tensor that they are channels of: a group is named after
/// the first convolution that makes it, with " stream" appended where several do (a linear layer
/// that makes factors for them aside), or after the
/// batch norm that selects, so that it has the same name in a network that is cut from this one.
/// The units of a group stand together, in the order of their channels. What works on units takes the
/// coupling from here.
struct Units {
  WidthMode mode = WidthMode::stream;
  bool without_norm = false;  ///< whether channels that no batch norm scales are among them
  std::vector<std::string> groups;
  std::vector<Unit> units;
  Coupling coupling;  ///< of the graph, whose classes the units name
};

/// The units of a graph. Channels that no batch norm scales are units where `without_norm` holds, for
/// criteria that have a score for them.
Units find_units(const nn::Graph& graph, WidthMode mode, bool without_norm = false);

/// The score of every unit that a batch norm scales: the mean of |gamma| over its batch norms.
/// Source    Liu et al., "Learning Efficient Convolutional Networks through Network Slimming",
///           ICCV 2017, section 3; the mean over coupled layers as in Torch-Pruning's Group-BN.
std::vector<double> unit_scores(const nn::Network& network, WidthMode mode);

/// The share of its group that each unit ranks above, in (0, 1]: of equal scores the later ranks lower.
/// select_units() by these takes the same share of every group, whereas by scores it takes one
/// threshold for all, which may leave a group of low scores hardly any.
std::vector<double> ranks_in_groups(const Units& units, std::span<const double> scores);

/// Whether a group's name matches a shell pattern: * stands for any characters, ? for one, [ab] for
/// one of these.
bool matches(const std::string& pattern, const std::string& group);

/// Hard constraints on every group.
struct WidthLimits {
  std::int64_t floor_channels = 1;  ///< at least so many stay (all, where there are fewer)
  double floor_fraction = 0.1;      ///< at least this share stays: removal is capped at the rest
  std::int64_t round_to = 1;        ///< kept counts are multiples of it, or the whole group
  /// Only groups that match one of `include` and none of `exclude` are pruned.
  std::vector<std::string> include = {"*"};
  std::vector<std::string> exclude = {};
  /// Groups named here keep at least so many, whatever the two floors above say: what group_floors()
  /// says of a network still holds, by this, in networks that are cut from it.
  std::map<std::string, std::int64_t> group_floors = {};
};

/// How many units of every group must stay.
std::map<std::string, std::int64_t> group_floors(const Units& units, const WidthLimits& limits);

/// Which of a network's units stay. Empty `kept`: all of them.
struct UnitSelection {
  WidthMode mode = WidthMode::stream;
  std::vector<bool> kept;
  bool without_norm = false;  ///< as in Units

  /// Kept units / all units; 1 for an empty selection.
  double kept_fraction() const;
};

/// Keeps the units of the highest scores, round(width * their number) of them: one threshold for the whole
/// network, except that every group keeps its floor, and groups that may not be pruned keep all.
/// Among equal scores the lower index stays. Then each group's count is rounded up to a multiple
/// of round_to with the best of the removed units, so that a little more than asked is kept. Before
/// rounding, a smaller width keeps a subset; below min_width() it keeps what min_width() keeps.
/// Errors    ConfigError: a width outside (0, 1], limits out of range. ShapeError: not one score a
///           unit.
UnitSelection select_units(const Units& units, std::span<const double> scores, double width,
                           const WidthLimits& limits = {});
/// The same for a network's units, by unit_scores().
UnitSelection select_units(const nn::Network& network, WidthMode mode, double width,
                           const WidthLimits& limits = {});

/// The selection of select_units() whose kept fraction is nearest to `share`, the smaller of two
/// that are; but where limits and rounding allow it, one that removes something.
UnitSelection nearest_selection(const Units& units, std::span<const double> scores, double share,
                                const WidthLimits& limits);

/// The smallest width that the limits allow, before rounding.
double min_width(const nn::Graph& graph, WidthMode mode, const WidthLimits& limits = {});

}  // namespace trifold::pruning
