#include "bench/step_times.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <sstream>

#include "kernels/runtime/error.h"

namespace trifold::bench {
namespace {

std::string key_of(const std::string& architecture, const std::string& kernel) {
  return architecture + ' ' + kernel;
}

void add(Issued& to, const Issued& turn, double times) {
  to.instructions += times * turn.instructions;
  to.wavefronts += times * turn.wavefronts;
}

}  // namespace

MachineCode::MachineCode(const std::filesystem::path& file) : file_(file) {
  std::ifstream stream(file);
  std::string line;
  require<FileError>(static_cast<bool>(std::getline(stream, line)),
                     "{} can't be read; write it with bench/cuda_static.py --loops", file.string());
  std::istringstream names(line);
  const std::vector<std::string> columns{std::istream_iterator<std::string>(names), {}};
  const std::vector<std::string> expected{"arch",       "kernel",       "loop",      "within",
                                          "multiplies", "instructions", "wavefronts"};
  require<FileError>(columns.size() >= expected.size() &&
                         std::equal(expected.begin(), expected.end(), columns.begin()),
                     "{} doesn't begin with the columns of loops; write it with "
                     "bench/cuda_static.py --loops",
                     file.string());
  for (int number = 2; std::getline(stream, line); ++number) {
    std::istringstream fields(line);
    std::string architecture, kernel;
    std::getline(fields, architecture, '\t');
    std::getline(fields, kernel, '\t');
    Part part;
    fields >> part.number >> part.within >> part.multiplies >> part.turn.instructions >>
        part.turn.wavefronts;
    require<FileError>(static_cast<bool>(fields),
                       "{}, line {} isn't a loop's; write the file anew with "
                       "bench/cuda_static.py --loops",
                       file.string(), number);
    parts_[key_of(architecture, kernel)].push_back(part);
  }
}

Issued MachineCode::issued(const Kernel& kernel, int architecture) const {
  const std::string name = fmt::format("{}<Bf16, {}>", kernel.function, kernel.arguments);
  const auto found = parts_.find(key_of(std::to_string(architecture), name));
  require<FileError>(found != parts_.end(),
                     "{} has no kernel {} for sm_{}; write it with bench/cuda_static.py --loops",
                     file_.string(), name, architecture);
  const std::vector<Part>& parts = found->second;
  const auto products = std::ranges::count_if(parts, &Part::multiplies);
  Issued sum;
  for (const Part& part : parts) {
    if (part.multiplies) {
      add(sum, part.turn, kernel.turns / static_cast<double>(products));
    } else if (part.number == 0) {
      add(sum, part.turn, kernel.warps);
    } else if (kernel.tiles > 0) {
      const auto holds = [&](const Part& p) { return p.multiplies && p.within == part.number; };
      const auto beside = [&](const Part& p) { return p.multiplies && p.within == part.within; };
      if (std::ranges::any_of(parts, holds) ||
          (part.within != 0 && std::ranges::any_of(parts, beside))) {
        add(sum, part.turn, kernel.tiles);
      }
    }
  }
  return sum;
}

double LaunchTime::longest() const { return *std::ranges::max_element(seconds); }

Bound LaunchTime::bound() const {
  return static_cast<Bound>(std::ranges::max_element(seconds) - seconds.begin());
}

std::vector<LaunchTime> step_times(const std::vector<Launch>& launches, const Gpu& gpu,
                                   const MachineCode& code) {
  constexpr double launch_seconds = 2.5e-6, cache_bytes_per_clock = 5120, schedulers = 4;
  const std::vector<double> cached = bytes_found_in_cache(launches, gpu.cache_bytes);
  std::vector<LaunchTime> times;
  for (std::size_t i = 0; i < launches.size(); ++i) {
    const Launch& launch = launches[i];
    LaunchTime time;
    const auto set = [&](Bound bound, double seconds) {
      time.seconds[static_cast<std::size_t>(bound)] = seconds;
    };
    set(Bound::launch, launch_seconds);
    set(Bound::memory, (launch.bytes() - cached[i]) / gpu.bytes_per_s);
    set(Bound::cache, launch.bytes() / (cache_bytes_per_clock * gpu.clock));
    if (launch.kernel.blocks > 0) {
      const Issued issued = code.issued(launch.kernel, gpu.code);
      const double share = launch.kernel.blocks / gpu.multiprocessors;  // of a multiprocessor
      const double uneven = std::ceil(share) / share;
      const double clocks = uneven / (gpu.multiprocessors * gpu.clock);
      set(Bound::issue, issued.instructions / schedulers * clocks);
      set(Bound::shared, issued.wavefronts * clocks);
      set(Bound::tensor, uneven * launch.macs / gpu.tensor_macs_per_s);
    }
    times.push_back(time);
  }
  return times;
}

}  // namespace trifold::bench
