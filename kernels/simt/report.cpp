#include "kernels/simt/report.h"

#include <cstdio>
#include <utility>

#include "kernels/simt/device.h"

namespace simt {
namespace {

std::vector<Report> unread;
std::size_t total = 0;
const void* running_kernel = nullptr;

std::string index_text(const uint3& i) { return text("(", i.x, ",", i.y, ",", i.z, ")"); }

void print(const Report& r) {
  std::string lines = text("simt: ", to_string(r.fault), ": ", r.text, "\n");
  if (!r.kernel.empty()) {
    lines += text("simt:   in ", r.kernel, ", block ", index_text(r.block), ", thread ",
                  index_text(r.thread), "\n");
  }
  std::fputs(lines.c_str(), stderr);
}

}  // namespace

const char* to_string(Fault fault) {
  switch (fault) {
    case Fault::race:
      return "race";
    case Fault::out_of_bounds:
      return "out of bounds";
    case Fault::use_after_free:
      return "use after free";
    case Fault::misaligned:
      return "misaligned access";
    case Fault::uninitialised:
      return "uninitialised memory";
    case Fault::invalid_address:
      return "invalid address";
    case Fault::undefined_behaviour:
      return "undefined behaviour";
    case Fault::barrier_divergence:
      return "divergent barrier";
    case Fault::warp_divergence:
      return "divergent warp operation";
    case Fault::deadlock:
      return "deadlock";
    case Fault::timeout:
      return "timeout";
    case Fault::async_copy:
      return "asynchronous copy";
    case Fault::trap:
      return "trap";
    case Fault::bad_launch:
      return "bad launch";
    case Fault::bad_copy:
      return "bad copy";
  }
  return "fault";
}

void report(Fault fault, const std::string& what) {
  Report r{fault, what, running_kernel == nullptr ? "" : kernel_name(running_kernel), {}, {}};
  if (current != nullptr) {
    r.block = current->block;
    r.thread = current->thread;
  }
  ++total;
  if (!settings().quiet) print(r);
  unread.push_back(std::move(r));
}

std::size_t reports_so_far() { return total; }

void set_reported_kernel(const void* kernel) { running_kernel = kernel; }

std::vector<Report> take_reports() { return std::exchange(unread, {}); }

}  // namespace simt
