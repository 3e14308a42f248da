#include "apps/cli/rollback.h"

#include <cmath>
#include <limits>
#include <system_error>

#include "kernels/runtime/error.h"

namespace trifold::apps {

void DivergenceOptions::add_to(OptionSet& app) {
  app.add_option(
         "--on-divergence", action,
         "Where training diverges: stop, or rollback to the last epoch's end and go on at half "
         "the rate")
      ->check(CLI::IsMember({"stop", "rollback"}))
      ->type_name("NAME");
  app.add_option("--rollbacks", rollbacks, "Rollbacks of one training at most")
      ->check(CLI::Range(1, 32))
      ->type_name("N");
}

double untrained_loss(std::int64_t classes, const nn::TrainOptions& options) {
  return options.teacher ? std::numeric_limits<double>::infinity()
                         : std::log(static_cast<double>(classes));
}

Rollback::Rollback(const DivergenceOptions& options, std::filesystem::path file)
    : options_(options), file_(std::move(file)) {}

void Rollback::begin(const nn::Trainer& trainer, const std::string& note) const {
  if (!trainer.has_started() || !std::filesystem::exists(file_)) keep(trainer, note);
}

void Rollback::keep(const nn::Trainer& trainer, const std::string& note) const {
  if (options_.rolls_back()) trainer.save(file_, note);
}

void Rollback::end() const {
  std::error_code absent;
  std::filesystem::remove(file_, absent);
}

void Rollback::refuse_spike(const nn::EpochResult& epoch, double best) const {
  require<DivergedError>(!options_.rolls_back() || epoch.loss <= 2 * best + 1,
                         "the loss rose from {:.4g} to {:.4g} in epoch {}", best, epoch.loss,
                         epoch.epoch);
}

std::string Rollback::require_another(const nn::Trainer& trainer, const DivergedError& what) const {
  if (!options_.rolls_back()) throw what;
  const std::int64_t done = trainer.rate_halvings();
  require<DivergedError>(done < options_.rollbacks, "{}, after {} rollbacks, each to half the rate",
                         what.what(), done);
  return fmt::format("{}; rolled back to the end of the epoch before, rollback {} of {}",
                     what.what(), done + 1, options_.rollbacks);
}

}  // namespace trifold::apps
