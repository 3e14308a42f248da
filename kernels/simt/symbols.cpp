/// Names of code addresses, asked of addr2line once an address.
#include <dlfcn.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>

#include "kernels/simt/report.h"

namespace simt {
namespace {

struct Symbol {
  std::string function, place;
};

std::string program() {
  std::array<char, 4096> path{};
  const ssize_t length = readlink("/proc/self/exe", path.data(), path.size() - 1);
  return length > 0 ? std::string(path.data(), static_cast<std::size_t>(length)) : std::string();
}

Symbol look_up(const void* code) {
  Dl_info info{};
  if (dladdr(code, &info) == 0) return {"?", "?"};
  const auto offset = static_cast<const char*>(code) - static_cast<const char*>(info.dli_fbase);
  const std::string file = info.dli_fname[0] == '/' ? info.dli_fname : program();
  const std::string command = text("addr2line -fiCs -e '", file, "' 0x", std::hex, offset);
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  Symbol found;
  std::array<char, 4096> line{};
  // The innermost inlined function comes first: its place is the one of the source line.
  for (int i = 0; pipe != nullptr && std::fgets(line.data(), line.size(), pipe.get()); ++i) {
    line[std::strcspn(line.data(), "\n")] = 0;
    if (i % 2 == 0) found.function = line.data();
    if (i % 2 == 1) found.place += (found.place.empty() ? "" : ", in ") + std::string(line.data());
  }
  return found;
}

const Symbol& symbol(const void* code) {
  static std::map<const void*, Symbol> known;
  const auto at = known.find(code);
  return at != known.end() ? at->second : known.emplace(code, look_up(code)).first->second;
}

}  // namespace

std::string place_of(const void* code) {
  const Symbol& s = symbol(code);
  return s.place;
}

std::string kernel_name(const void* kernel) { return symbol(kernel).function; }

}  // namespace simt
