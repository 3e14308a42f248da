#include "apps/cli/exit_code.h"

#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <new>
#include <string>

namespace trifold::apps {
namespace {

int report(int code, const std::string& sentence) {
  fmt::print(stderr, "error: {}\n", sentence);
  return code;
}

}  // namespace

void note(const std::string& sentence) { fmt::print(stderr, "note: {}\n", sentence); }

int run_app(const std::function<int()>& body) {
  try {
    const int code = body();
    // Results on a full disk or a closed pipe are lost in silence otherwise.
    if (std::fflush(stdout) != 0) return report(exit_failure, "standard output can't be written");
    return code;
  } catch (const ConfigError& e) {
    return report(exit_usage, e.what());
  } catch (const FileError& e) {
    return report(exit_bad_file, e.what());
  } catch (const TargetError& e) {
    return report(exit_target, e.what());
  } catch (const DivergedError& e) {
    return report(exit_diverged, e.what());
  } catch (const VerificationError& e) {
    return report(exit_verification, e.what());
  } catch (const std::bad_alloc&) {
    return report(exit_failure, "not enough memory; use a smaller --batch or a smaller network");
  } catch (const std::exception& e) {
    return report(exit_failure, e.what());
  }
}

}  // namespace trifold::apps
