/// Batch norms for networks whose exporter has folded theirs away.
#pragma once

#include <cstdint>
#include <string>

#include "apps/cli/option_set.h"
#include "kernels/runtime/exec.h"
#include "nn/data/dataset.h"
#include "nn/model.h"

namespace trifold::apps {

/// --unfold.
class UnfoldOption {
 public:
  void add_to(OptionSet& app);
  bool wanted() const { return wanted_; }

  /// Gives the model, which came from `file`, the batch norms that pruning::with_batch_norms()
  /// measures on training images. A note and the model's history say so. Nothing where the user
  /// doesn't want it, or nothing is missing.
  /// Errors    FileError: values that are too large to be measured.
  void apply(const std::string& file, nn::Model& model, const nn::Dataset& train,
             const kernels::Exec& ex, std::uint64_t seed) const;

 private:
  bool wanted_ = true;
};

}  // namespace trifold::apps
