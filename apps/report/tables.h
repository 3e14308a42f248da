/// The report's tables as plain text cells, which every form then escapes and sets in its own way.
#pragma once

#include <string>
#include <vector>

#include "apps/report/report.h"

namespace trifold::apps::report {

struct Column {
  std::string name;
  bool number = false;  ///< set flush right
};

struct Table {
  std::string caption;
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> rows;
  std::vector<bool> struck;  ///< a flag for each row, or empty: none is
};

Table facts_table(const Report& report);
Table summary_rows(const Report& report);
/// The chosen and the continuous point side by side; no rows if the report has neither.
Table points_table(const Report& report);
/// No rows if the report has no predictor.
Table predictor_table(const Report& report);
Table families_table(const Report& report);
Table certainty_table(const Report& report);
Table comparison_table(const Report& report);
Table blocks_table(const Report& report);
Table layers_table(const Report& report);
Table samples_table(const Report& report);

}  // namespace trifold::apps::report
