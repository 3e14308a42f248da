/// The report's pictures, each a whole inline SVG; empty where the report has nothing to show.
#pragma once

#include <string>
#include <vector>

#include "apps/report/report.h"

namespace trifold::apps::report {

/// One picture a dimension.
std::vector<std::string> axis_plots(const Report& report);
std::string surface_plot(const Report& report);
/// Training loss and held-out accuracy.
std::vector<std::string> training_plots(const Report& report);
/// Test accuracy against MACs, and against measured time.
std::vector<std::string> comparison_plots(const Report& report);
std::string layer_plot(const Report& report);

}  // namespace trifold::apps::report
