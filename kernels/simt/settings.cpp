/// Settings from the environment.
#include <cstdlib>
#include <string>

#include "kernels/simt/emulator.h"

namespace simt {
namespace {

std::string variable(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : value;
}

Settings from_environment() {
  Settings s;
  const std::string order = variable("SIMT_ORDER", "fwd");
  s.order = order == "rev" ? Order::reverse : order == "rand" ? Order::random : Order::forward;
  s.seed = static_cast<unsigned>(std::atoi(variable("SIMT_SEED", "1").c_str()));
  s.strict = variable("SIMT_STRICT", "1") != "0";
  s.lazy_streams = variable("SIMT_STREAMS", "eager") == "lazy";
  s.quiet = variable("SIMT_QUIET", "0") == "1";
  s.profile = variable("SIMT_PROFILE", "0") == "1";
  s.leaks = variable("SIMT_LEAKS", "0") == "1";
  s.timeout_seconds = std::atof(variable("SIMT_TIMEOUT", "60").c_str());
  s.stack_bytes = static_cast<std::size_t>(std::atol(variable("SIMT_STACK", "65536").c_str()));
  s.capability = std::atoi(variable("SIMT_CAPABILITY", "80").c_str());
  s.devices = std::atoi(variable("SIMT_DEVICES", "1").c_str());
  return s;
}

}  // namespace

Settings& settings() {
  static Settings all = from_environment();
  return all;
}

}  // namespace simt
