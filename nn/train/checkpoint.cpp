// The state of a training run as a file.
#include <zlib.h>

#include <map>
#include <nlohmann/json.hpp>

#include "engine/json_text.h"
#include "engine/safetensors.h"
#include "kernels/runtime/error.h"
#include "nn/finite.h"
#include "nn/io/graph_json.h"
#include "nn/io/parameters.h"
#include "nn/train/trainer.h"

namespace trifold::nn {

using engine::Tensor;
using nlohmann::json;

namespace {

void require_same_run(const std::filesystem::path& path, const json& found, const json& wanted) {
  // Checkpoints of before there was a choice don't name theirs.
  static const std::map<std::string, json> usual = {{"resize", to_string(InputSize(0).filter)},
                                                    {"crop", "pad"},
                                                    {"streamed", false},
                                                    {"color_jitter", {0, 0, 0}},
                                                    {"synchronised", false}};
  const auto require_same = [&](const std::string& key) {
    const auto old = usual.find(key);
    const json missing = old == usual.end() ? json() : old->second;
    const json other = found.is_object() ? found.value(key, missing) : json();
    if (other == wanted.at(key)) return;
    throw OtherRunError(key, fmt::format("{}: the run was started with {} = {}, not {}",
                                         path.string(), key, other.dump(), wanted.at(key).dump()));
  };
  // Another number of images explains another checksum of them, but not the other way round.
  constexpr const char* checksum = "data_crc32";
  for (const auto& [key, value] : wanted.items()) {
    if (key != checksum) require_same(key);
  }
  require_same(checksum);
}

}  // namespace

// What has to agree for a checkpoint to be continued. The number of threads is not part of it.
std::string Trainer::fingerprint() const {
  const TrainOptions& o = options_;
  const ColorJitter colors = o.augmentation ? o.augmentation->color : ColorJitter{};
  return json{{"epochs", o.epochs},
              {"batch", o.batch},
              {"lr", o.lr},
              {"momentum", o.momentum},
              {"nesterov", o.nesterov},
              {"weight_decay", o.weight_decay},
              {"bn_l1", o.bn_l1},
              {"label_smoothing", o.label_smoothing},
              {"ema_decay", o.ema_decay},
              {"schedule", to_string(o.schedule.kind)},
              {"warmup_epochs", o.schedule.warmup_epochs},
              {"seed", o.seed},
              {"pad", o.augmentation ? o.augmentation->pad : -1},
              {"flip", o.augmentation && o.augmentation->flip},
              {"crop", o.augmentation && o.augmentation->resized ? "resized" : "pad"},
              {"color_jitter", colors.numbers()},
              {"side", size_.side},
              {"resize", to_string(size_.filter)},
              {"mean", normalisation_.mean},
              {"std", normalisation_.std},
              {"images", data_.count},
              {"class_names", data_.class_names},
              {"data", data_.name},
              {"streamed", data_.streamed()},
              {"data_crc32", data_crc32_},
              {"synchronised", o.synchronised},
              {"shards", shards_ ? json(shards_->count()) : json()},
              {"teacher_crc32", teacher_ ? json(teacher_crc32_) : json()},
              {"teacher_weight", teacher_ ? json(o.teacher->weight) : json()},
              {"teacher_temperature", teacher_ ? json(o.teacher->temperature) : json()}}
      .dump();
}

// A rank that trains something else, for it was started with other options, or sees another checkpoint
// or none, would spoil the sums without a word.
void Trainer::require_equal_ranks() const {
  if (options_.ranks == nullptr) return;
  std::map<std::string, engine::StoredTensor> tensors;
  store_parameters(network_, "", tensors);
  uLong crc = ::crc32(0, nullptr, 0);
  const auto add = [&](const void* data, std::size_t bytes) {
    crc = ::crc32_z(crc, static_cast<const Bytef*>(data), bytes);
  };
  const std::string texts = fingerprint() + to_json(network_.graph()).dump() +
                            fmt::format("{} {} {}", epoch_, batch_, rate_halvings_);
  add(texts.data(), texts.size());
  for (const auto& [name, tensor] : tensors) add(tensor.bytes.data(), tensor.bytes.size());
  require<ConfigError>(
      options_.ranks->all_equal(static_cast<std::uint32_t>(crc)),
      "the {} ranks don't train the same; give all the same files and options, and "
      "have all see the checkpoint",
      options_.ranks->ranks());
}

void Trainer::save(const std::filesystem::path& path, const std::string& note) const {
  require_finite();
  const kernels::Totals totals = totals_.read();
  std::map<std::string, engine::StoredTensor> tensors;
  store_parameters(network_, "network.", tensors);
  for (const auto& [name, value] : sgd_.momentum()) {
    tensors["momentum." + name] = engine::StoredTensor::from(value.to(Device{}));
  }
  for (const auto& [name, value] : sgd_.average()) {
    tensors["average." + name] = engine::StoredTensor::from(value.to(Device{}));
  }
  const json position = {{"epoch", epoch_},
                         {"batch", batch_},
                         {"images", images_},
                         {"correct", totals.correct},
                         {"loss_sum", totals.loss},
                         {"rate_halvings", rate_halvings_},
                         {"note", note}};
  engine::write_safetensors(path,
                            {{"trifold.run", fingerprint()},
                             {"trifold.graph", to_json(network_.graph()).dump()},
                             {"trifold.position", position.dump()}},
                            tensors);
}

std::string Trainer::restore(const std::filesystem::path& path) {
  const engine::SafetensorsFile file = engine::read_safetensors(path);
  const auto run = file.metadata.find("trifold.run");
  require<FileError>(run != file.metadata.end() && file.metadata.contains("trifold.position"),
                     "{}: this is not a checkpoint", path.string());
  require_same_run(path, engine::parse_json(run->second, path.string() + ": the checkpoint's run"),
                   json::parse(fingerprint()));
  const auto graph = file.metadata.find("trifold.graph");
  require<FileError>(graph != file.metadata.end(), "{}: this is not a checkpoint", path.string());
  if (graph->second != to_json(network_.graph()).dump()) {
    throw OtherRunError("network",
                        fmt::format("{}: the run was started with another network", path.string()));
  }
  restore_parameters(network_, "network.", file);
  if (graph_) graph_.emplace(ex_.device);  // what it has captured is of other arrays
  const auto take = [&](std::map<std::string, Tensor>& into, const std::string& prefix) {
    for (auto& [name, value] : into) {
      const Tensor stored = file.floats(prefix + name);
      require<FileError>(stored.shape() == value.shape(),
                         "{}: tensor '{}{}' has the shape {}, not {}", path.string(), prefix, name,
                         to_string(stored.shape()), to_string(value.shape()));
      require<FileError>(!find_not_finite(stored),
                         "{}: tensor '{}{}' holds a value that is not finite", path.string(),
                         prefix, name);
      value = stored.to(ex_.device);
    }
  };
  take(sgd_.momentum(), "momentum.");
  take(sgd_.average(), "average.");
  try {
    const json position = engine::parse_json(file.metadata.at("trifold.position"),
                                             path.string() + ": the checkpoint's position");
    position.at("epoch").get_to(epoch_);
    position.at("batch").get_to(batch_);
    position.at("images").get_to(images_);
    rate_halvings_ = position.value("rate_halvings", std::int64_t{0});
    totals_.set({.loss = position.at("loss_sum").get<double>(),
                 .correct = position.at("correct").get<std::int64_t>()});
    const std::int64_t batches = loader_.batches_per_epoch();
    require<FileError>(epoch_ >= 0 && epoch_ <= options_.epochs && batch_ >= 0 &&
                           batch_ < batches && rate_halvings_ >= 0 && rate_halvings_ <= 1024 &&
                           images_ == batch_ * std::min(options_.batch, data_.count),
                       "{}: the checkpoint's position is damaged: epoch {}, batch {}, {} images, "
                       "{} halvings of the rate",
                       path.string(), epoch_, batch_, images_, rate_halvings_);
    return position.at("note").get<std::string>();
  } catch (const json::exception& e) {
    throw FileError(fmt::format("{}: the checkpoint's position is damaged: {}", path.string(),
                                engine::problem(e)));
  }
}

}  // namespace trifold::nn
