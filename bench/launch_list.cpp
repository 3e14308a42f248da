#include "bench/launch_list.h"

#include <algorithm>
#include <utility>

#include "bench/conv2d_work.h"
#include "kernels/cuda/column_sums_plan.h"
#include "kernels/cuda/columns_plan.h"

namespace trifold::bench {

Parts matrix_parts(std::int64_t rows, std::int64_t columns) {
  const std::int64_t parts = kernels::cuda::plan_column_sums(rows, columns).parts;
  return {rows, columns, parts > 1 ? bytes(parts * columns) : 0};
}

Parts tile_parts(std::int64_t tiles, std::int64_t width, std::int64_t sums, std::int64_t channels) {
  const auto cut = kernels::cuda::cut_columns(tiles, channels, channels % 4 == 0 ? 4 : 1,
                                              kernels::cuda::most_sum_blocks);
  const bool few = tiles <= kernels::cuda::few_tiles;
  return {tiles, width * channels, few ? 0 : 2 * bytes(cut.chunks * sums * channels)};
}

Parts with_factors(Parts parts, std::int64_t channels) {
  parts.factors_read = bytes(4 * channels), parts.factors_written = bytes(6 * channels);
  return parts;
}

Parts with_coefficients(Parts parts, std::int64_t channels) {
  parts.factors_read = bytes(2 * channels), parts.factors_written = bytes(5 * channels);
  return parts;
}

void LaunchList::move(const char* kind, Arrays reads, Arrays writes) {
  Launch launch{kind, std::move(reads), std::move(writes)};
  launch.least_bytes = launch.bytes();
  launches_.push_back(std::move(launch));
}

std::vector<PartsLeft> LaunchList::leave_parts(Launch launch, const std::vector<Parts>& parts) {
  launch.least_bytes += launch.bytes();
  std::vector<PartsLeft> left;
  for (const Parts& p : parts) {
    left.push_back({{fresh(), bytes(p.count * p.results)}, p});
    launch.writes.push_back(left.back().array);
  }
  launches_.push_back(std::move(launch));
  return left;
}

void LaunchList::add_parts(const std::vector<PartsLeft>& all) {
  const bool at_once =
      std::ranges::all_of(all, [](const PartsLeft& left) { return left.parts.between == 0; });
  Launch last{"sums of parts", {}, {}};
  for (const auto& [array, parts] : all) {
    Array from = array;
    if (parts.between > 0) {
      from = {fresh(), parts.between};
      launches_.push_back({"sums of parts", {array}, {from}});
    }
    add_last(last, from, parts);
    if (!at_once) launches_.push_back(std::exchange(last, {"sums of parts", {}, {}}));
  }
  if (!last.reads.empty()) launches_.push_back(std::move(last));
}

void LaunchList::add_last(Launch& launch, const Array& from, const Parts& p) {
  launch.reads.push_back(from);
  launch.writes.push_back({fresh(), bytes(p.results)});
  if (p.factors_written == 0) return;
  launch.reads.push_back({fresh(), p.factors_read});
  launch.writes.push_back({fresh(), p.factors_written});
}

void LaunchList::move_in_parts(Launch launch, const std::vector<Parts>& parts) {
  add_parts(leave_parts(std::move(launch), parts));
}

}  // namespace trifold::bench
