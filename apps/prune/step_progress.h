/// How far the training of a step is, on stderr.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <string>

#include "apps/cli/progress.h"
#include "nn/train/trainer.h"

namespace trifold::apps {

/// A bar for each step's training, one after the other.
class StepProgress {
 public:
  void show(const std::string& step, const nn::Progress& p, std::int64_t epochs) {
    if (step != step_) {
      bar_.emplace(step, "batches", epochs * p.batches);
      step_ = step;
    }
    bar_->update(p.epoch * p.batches + p.batch,
                 [&] { return fmt::format("loss {:.4f}", p.loss()); });
  }
  void finish() {
    bar_.reset();
    step_.clear();
  }

 private:
  std::string step_;
  std::optional<ProgressBar> bar_;
};

}  // namespace trifold::apps
