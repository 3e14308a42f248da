#include <nlohmann/json.hpp>

#include "apps/report/report.h"

namespace trifold::apps::report {
namespace {

using Json = nlohmann::ordered_json;

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json point(const Ratios& at) { return {{"d", at.d}, {"w", at.w}, {"r", at.r}}; }

Json or_null(const std::optional<Ratios>& at) { return at ? point(*at) : Json(nullptr); }

template <class Rows, class Convert>
Json list(const Rows& rows, Convert convert) {
  Json out = Json::array();
  for (const auto& row : rows) out.push_back(convert(row));
  return out;
}

Json family(const FamilyRow& f) {
  return {{"name", f.name},
          {"description", f.description},
          {"free_parameters", f.free_parameters},
          {"monotone", f.monotone},
          {"plausible", f.plausible},
          {"rmse", f.rmse},
          {"loo_mae", or_null(f.loo_mae)},
          {"rank_correlation", or_null(f.rank_correlation)},
          {"problem", f.problem}};
}

Json interval(const Interval& i) {
  return {{"low", i.low}, {"middle", i.middle}, {"high", i.high}};
}

Json certainty(const Certainty& c) {
  return {
      {"d", interval(c.d)},
      {"w", interval(c.w)},
      {"r", interval(c.r)},
      {"accuracy", interval(c.accuracy)},
      {"biased", list(c.biased, [](const BiasRow& b) {
         return Json{
             {"dimension", b.dimension}, {"bias", b.bias}, {"at", point(b.at)}, {"loss", b.loss}};
       })}};
}

Json plan(const Report& report) {
  Json out = {{"target",
               {{"ratio", report.target.ratio},
                {"cost_model", report.target.cost_model},
                {"macs", report.target.macs},
                {"params", report.target.params},
                {"macs_before", report.target.macs_before},
                {"params_before", report.target.params_before}}},
              {"chosen", nullptr},
              {"continuous", nullptr},
              {"gap", or_null(report.gap)},
              {"predictor", nullptr}};
  if (const auto& c = report.chosen) {
    out["chosen"] = {{"at", point(c->at)},
                     {"blocks", c->blocks},
                     {"widths", c->widths},
                     {"pixels", c->pixels},
                     {"predicted", c->predicted}};
  }
  if (const auto& k = report.continuous) {
    out["continuous"] = {{"at", point(k->at)},
                         {"predicted", k->predicted},
                         {"elasticities", k->elasticities},
                         {"multiplier", k->multiplier},
                         {"explanation", k->explanation}};
  }
  if (const auto& q = report.predictor) {
    out["predictor"] = {{"family", q->family},
                        {"reason", q->reason},
                        {"degree", q->degree},
                        {"samples", q->samples},
                        {"noise", q->noise},
                        {"loo_mae", or_null(q->loo_mae)},
                        {"rank_correlation", or_null(q->rank_correlation)},
                        {"families", list(q->families, family)}};
  }
  return out;
}

Json summary_row(const SummaryRow& row) {
  return {{"network", row.network},
          {"macs", or_null(row.macs)},
          {"flops", or_null(row.flops())},
          {"params", or_null(row.params)},
          {"held_out_top1", or_null(row.held_out_top1)},
          {"test_top1", or_null(row.test_top1)},
          {"images_per_second", or_null(row.images_per_second)}};
}

Json layer_row(const LayerRow& row) {
  return {{"name", row.name},
          {"op", row.op},
          {"output_before", row.output_before},
          {"output_after", row.output_after},
          {"channels_before", row.channels_before},
          {"channels_after", row.channels_after},
          {"macs_before", row.macs_before},
          {"macs_after", row.macs_after},
          {"params_before", row.params_before},
          {"params_after", row.params_after},
          {"removed", row.removed}};
}

Json comparison_row(const ComparisonRow& row) {
  return {{"method", row.method},       {"at", point(row.at)},
          {"macs", row.macs},           {"time", row.time},
          {"trainings", row.trainings}, {"held_out_top1", row.held_out_top1},
          {"test_top1", row.test_top1}, {"spread", or_null(row.spread)}};
}

Json block_row(const BlockRow& row) {
  return {{"name", row.name},
          {"importance", row.importance},
          {"spread", or_null(row.spread)},
          {"kept", row.kept}};
}

Json sample(const Sample& s) {
  return {{"dimension", s.dimension},
          {"round", s.round},
          {"at", point(s.at)},
          {"accuracy", s.accuracy}};
}

Json axis(const AxisCurve& curve) {
  return {{"dimension", curve.dimension},
          {"x", curve.x},
          {"predicted", curve.predicted},
          {"measured", list(curve.measured, [](const Measured& m) {
             return Json{{"x", m.x}, {"accuracy", m.accuracy}};
           })}};
}

Json training(const TrainingCurve& curve) {
  return {{"series", curve.series},
          {"epochs", curve.epochs},
          {"train_loss", curve.train_loss},
          {"held_out_accuracy", curve.held_out_accuracy}};
}

}  // namespace

std::string to_json(const Report& report) {
  Json out = {{"title", report.title},
              {"command_line", report.command_line},
              {"versions", list(report.versions,
                                [](const Fact& f) {
                                  return Json{{"name", f.name}, {"value", f.value}};
                                })},
              {"dataset", report.dataset},
              {"model", report.model},
              {"seed", report.seed},
              {"duration_seconds", report.duration_seconds()},
              {"stages", list(report.stages, [](const StageTime& s) {
                 return Json{{"stage", s.stage}, {"seconds", s.seconds}};
               })}};
  out.update(plan(report));
  out["certainty"] = report.certainty ? certainty(*report.certainty) : Json(nullptr);
  out["summary"] = list(report.summary, summary_row);
  out["comparison"] = list(report.comparison, comparison_row);
  out["blocks"] = list(report.blocks, block_row);
  out["layers"] = list(report.layers, layer_row);
  out["samples"] = list(report.samples, sample);
  out["axes"] = list(report.axes, axis);
  out["surface"] = nullptr;
  if (const auto& s = report.surface) {
    out["surface"] = {{"d", s->d},
                      {"r", s->r},
                      {"predicted", s->predicted},
                      {"chosen", or_null(s->chosen)},
                      {"kkt", or_null(s->kkt)},
                      {"cloud", list(s->cloud, point)}};
  }
  out["training"] = list(report.training, training);
  out["notes"] = report.notes;
  out["warnings"] = report.warnings;
  // A path in the command line may hold bytes that are not UTF-8; they must not lose the report.
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace trifold::apps::report
