/// Reports of faults.
#pragma once

#include <sstream>
#include <string>

#include "kernels/simt/emulator.h"

namespace simt {

/// The text of all arguments, one after the other.
template <class... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

/// Adds a report of the running kernel, or of host code where none runs, and prints it.
void report(Fault fault, const std::string& text);

/// How many reports there were since the start.
std::size_t reports_so_far();

/// The kernel that reports are of; null between launches.
void set_reported_kernel(const void* kernel);

/// "function (file:line)" of an address in this program, as far as it has debug information.
std::string place_of(const void* code);

/// The name of a kernel from its address.
std::string kernel_name(const void* kernel);

}  // namespace simt
