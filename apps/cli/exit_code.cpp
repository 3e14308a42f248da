#include "apps/cli/exit_code.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <string>
#include <string_view>

#include "apps/cli/message.h"
#include "apps/cli/text.h"

namespace trifold::apps {
namespace {

// A number that is free goes to the next file that is opened, and what is written to stderr would
// land in there. These can be opened, but neither written to nor read from.
void reserve_standard_files() {
  for (const int number : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(number, F_GETFD) == -1) {
      ::open("/dev/null", number == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    }
  }
}

// Texts of files stand in sentences, and can be of any length: the end, where the remedy is, stays.
std::string in_short(const std::string& sentence) {
  constexpr std::size_t front = 3000, back = 500;
  if (sentence.size() <= front + back) return sentence;
  return sentence.substr(0, front) + " ... " + sentence.substr(sentence.size() - back);
}

int report(int code, const std::string& sentence) {
  message("error: " + in_short(printable(sentence)) + "\n");
  return code;
}

constexpr std::string_view no_memory =
    "error: not enough memory; use a smaller --batch or a smaller network\n";

std::terminate_handler terminate_otherwise = nullptr;

// No memory is an error like others where nothing may be thrown, too: in static objects before main,
// in what says another error, and in destructors of JSON values, which take memory.
[[noreturn]] void end_program() {
  try {
    if (const std::exception_ptr thrown = std::current_exception()) std::rethrow_exception(thrown);
  } catch (const std::bad_alloc&) {
    message(no_memory);
    std::_Exit(exit_failure);
  } catch (const std::exception&) {  // told by what follows
  }
  terminate_otherwise();
  std::abort();
}

// Runs in front of the constructors of static objects.
[[gnu::constructor(101)]] void watch_terminate() {
  terminate_otherwise = std::set_terminate(end_program);
}

}  // namespace

void note(const std::string& sentence) { message("note: " + printable(sentence) + "\n"); }

int run_app(const std::function<int()>& body) {
  reserve_standard_files();
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
  } catch (const MemoryError& e) {
    return report(exit_failure, fmt::format("{}; use a smaller --batch", e.what()));
  } catch (const DeviceError& e) {
    return report(exit_failure, fmt::format("{}; use --device cpu", e.what()));
  } catch (const std::bad_alloc&) {
    message(no_memory);
    return exit_failure;
  } catch (const std::exception& e) {
    return report(exit_failure, e.what());
  }
}

}  // namespace trifold::apps
