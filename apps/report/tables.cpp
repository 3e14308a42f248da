#include "apps/report/tables.h"

#include <fmt/format.h>

#include "apps/report/format.h"

namespace trifold::apps::report {
namespace {

std::string share(double value) { return fmt::format("{:.3f}", value); }
std::string counted(std::int64_t value) { return count_text(static_cast<double>(value)); }

std::string change(std::int64_t before, std::int64_t after) {
  if (before == after) return counted(before);
  return fmt::format("{} → {}", counted(before), counted(after));
}

std::string channels(std::int64_t before, std::int64_t after) {
  return before == after ? std::to_string(before) : fmt::format("{} → {}", before, after);
}

}  // namespace

Table facts_table(const Report& report) {
  Table table{"How it was made", {{"fact"}, {"value"}}, {}, {}};
  const auto add = [&](const std::string& name, const std::string& value) {
    if (!value.empty()) table.rows.push_back({name, value});
  };
  add("model", report.model);
  add("dataset", report.dataset);
  add("seed", std::to_string(report.seed));
  if (!report.stages.empty()) {
    std::string parts;
    for (const StageTime& s : report.stages) {
      parts += fmt::format("{}{} {}", parts.empty() ? "" : ", ", s.stage, duration_text(s.seconds));
    }
    add("duration", fmt::format("{} ({})", duration_text(report.duration_seconds()), parts));
  }
  for (const Fact& fact : report.versions) add(fact.name, fact.value);
  return table;
}

Table summary_rows(const Report& report) {
  Table table{"Cost and accuracy, before and after (FLOPs = 2 x MACs, per image)",
              {{"network"},
               {"MACs", true},
               {"FLOPs", true},
               {"params", true},
               {"held-out top-1", true},
               {"test top-1", true},
               {"images/s", true}},
              {},
              {}};
  const auto speed = [](double value) {
    return value < 99.95 ? fmt::format("{:.1f}", value) : count_text(value);
  };
  for (const SummaryRow& row : report.summary) {
    table.rows.push_back({row.network, or_dash(row.macs, counted), or_dash(row.flops(), counted),
                          or_dash(row.params, counted), or_dash(row.held_out_top1, percent_text),
                          or_dash(row.test_top1, percent_text),
                          or_dash(row.images_per_second, speed)});
  }
  return table;
}

Table points_table(const Report& report) {
  Table table{"The smooth optimum, and the real network nearest to its promise",
              {{"quantity"}, {"continuous (KKT)", true}, {"chosen", true}},
              {},
              {}};
  const auto& k = report.continuous;
  const auto& c = report.chosen;
  if (!k && !c) return table;
  const auto add = [&](const std::string& name, const std::string& left, const std::string& right) {
    table.rows.push_back({name, left, right});
  };
  const std::string none = "–";
  add("depth d", k ? share(k->at.d) : none, c ? share(c->at.d) : none);
  add("width w", k ? share(k->at.w) : none, c ? share(c->at.w) : none);
  add("resolution r", k ? share(k->at.r) : none, c ? share(c->at.r) : none);
  add("predicted accuracy", k ? percent_text(k->predicted) : none,
      c ? percent_text(c->predicted) : none);
  if (c) {
    add("blocks a stage", none, list_text(c->blocks));
    add("channels a stage", none, list_text(c->widths));
    add("input pixels", none, fmt::format("{0} x {0}", c->pixels));
  }
  if (k) {
    const auto& e = k->elasticities;
    add("elasticities of d, w, r", fmt::format("{:.4f}, {:.4f}, {:.4f}", e[0], e[1], e[2]), none);
    add("budget multiplier", fmt::format("{:.4f}", k->multiplier), none);
  }
  if (report.gap) add("gap", none, fmt::format("{:.2f} points", *report.gap));
  return table;
}

Table predictor_table(const Report& report) {
  Table table{"The accuracy predictor (MAP), judged by leaving one sample out",
              {{"quantity"}, {"value", true}},
              {},
              {}};
  if (const auto& q = report.predictor) {
    const auto points = [](double value) { return fmt::format("{:.2f} points", value); };
    table.rows = {{"family", q->family},
                  {"samples", std::to_string(q->samples)},
                  {"degree in d, w, r", list_text({q->degree.begin(), q->degree.end()})},
                  {"mean absolute error", or_dash(q->loo_mae, points)},
                  {"rank correlation", or_dash(q->rank_correlation, share)},
                  {"noise of a measurement", points(q->noise)}};
  }
  return table;
}

Table families_table(const Report& report) {
  Table table{"All predictors: the first that can't be told from the best is used",
              {{"family"},
               {"F"},
               {"parameters", true},
               {"monotone"},
               {"fit error", true},
               {"left-out error", true},
               {"rank correlation", true},
               {"as good as the best"}},
              {},
              {}};
  if (!report.predictor) return table;
  const auto points = [](double value) { return fmt::format("{:.2f}", value); };
  for (const FamilyRow& f : report.predictor->families) {
    table.rows.push_back({f.name, f.description, std::to_string(f.free_parameters),
                          f.monotone ? "yes" : "no", points(f.rmse), or_dash(f.loo_mae, points),
                          or_dash(f.rank_correlation, share),
                          !f.problem.empty() ? f.problem
                          : f.plausible      ? "yes"
                                             : "no"});
  }
  return table;
}

Table certainty_table(const Report& report) {
  Table table{
      "How sure the choice is: 90 % of what other draws of the noise would choose, and what a "
      "biased axis would",
      {{"case"}, {"d", true}, {"w", true}, {"r", true}, {"accuracy", true}},
      {},
      {}};
  if (!report.certainty) return table;
  const Certainty& c = *report.certainty;
  const auto row = [&](const char* name, double Interval::*end) {
    table.rows.push_back(
        {name, share(c.d.*end), share(c.w.*end), share(c.r.*end), percent_text(c.accuracy.*end)});
  };
  row("lower end", &Interval::low);
  row("median", &Interval::middle);
  row("upper end", &Interval::high);
  for (const BiasRow& b : c.biased) {
    table.rows.push_back({fmt::format("{} measured {:+.1f} points off", b.dimension, b.bias),
                          share(b.at.d), share(b.at.w), share(b.at.r),
                          fmt::format("{:+.2f} points", -b.loss)});
  }
  return table;
}

Table comparison_table(const Report& report) {
  Table table{"Other ways to spend the budget, trained by the same recipe",
              {{"method"},
               {"d", true},
               {"w", true},
               {"r", true},
               {"MACs", true},
               {"time", true},
               {"trainings", true},
               {"held-out top-1", true},
               {"test top-1", true},
               {"spread", true}},
              {},
              {}};
  for (const ComparisonRow& row : report.comparison) {
    table.rows.push_back({row.method, share(row.at.d), share(row.at.w), share(row.at.r),
                          counted(row.macs), share(row.time), std::to_string(row.trainings),
                          percent_text(row.held_out_top1), percent_text(row.test_top1),
                          or_dash(row.spread, [](double x) { return fmt::format("{:.2f}", x); })});
  }
  return table;
}

Table blocks_table(const Report& report) {
  Table table{"What each block adds, as the criterion judges it",
              {{"block"}, {"importance", true}, {"spread", true}, {"kept"}},
              {},
              {}};
  const auto number = [](double x) { return fmt::format("{:.2f}", x); };
  for (const BlockRow& row : report.blocks) {
    table.struck.push_back(!row.kept);
    table.rows.push_back(
        {row.name, number(row.importance), or_dash(row.spread, number), row.kept ? "yes" : "no"});
  }
  return table;
}

Table layers_table(const Report& report) {
  Table table{"Every layer, before and after",
              {{"layer"}, {"op"}, {"output"}, {"channels", true}, {"MACs", true}, {"params", true}},
              {},
              {}};
  for (const LayerRow& row : report.layers) {
    table.struck.push_back(row.removed);
    if (row.removed) {
      table.rows.push_back({row.name, row.op, "removed", std::to_string(row.channels_before),
                            counted(row.macs_before), counted(row.params_before)});
      continue;
    }
    table.rows.push_back({row.name, row.op,
                          row.output_before == row.output_after
                              ? row.output_before
                              : fmt::format("{} → {}", row.output_before, row.output_after),
                          channels(row.channels_before, row.channels_after),
                          change(row.macs_before, row.macs_after),
                          change(row.params_before, row.params_after)});
  }
  return table;
}

Table samples_table(const Report& report) {
  Table table{"The measured points that the predictor was fitted to",
              {{"dimension"},
               {"round", true},
               {"d", true},
               {"w", true},
               {"r", true},
               {"held-out accuracy", true}},
              {},
              {}};
  for (const Sample& s : report.samples) {
    table.rows.push_back({s.dimension, std::to_string(s.round), share(s.at.d), share(s.at.w),
                          share(s.at.r), percent_text(s.accuracy)});
  }
  return table;
}

}  // namespace trifold::apps::report
