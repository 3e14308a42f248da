#include "apps/cli/holder.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <sstream>

namespace trifold::apps {

std::string Holder::name() const {
  return process.empty() ? "another process" : fmt::format("process {} on {}", process, host);
}

std::string Holder::text() const { return fmt::format("{}\nboot {}\n", name(), boot); }

bool Holder::on_machine_of(const Holder& other) const {
  return boot == other.boot || host == other.host;
}

Holder this_process() {
  std::array<char, 256> host{};
  Holder holder{fmt::format("{}", ::getpid()), "?", "?"};
  if (::gethostname(host.data(), host.size() - 1) == 0 && host[0] != '\0')
    holder.host = host.data();
  std::ifstream("/proc/sys/kernel/random/boot_id") >> holder.boot;
  return holder;
}

Holder read_holder(int file) {
  std::array<char, 1024> bytes{};
  const ssize_t size = ::pread(file, bytes.data(), bytes.size(), 0);
  std::istringstream text(std::string(bytes.data(), size > 0 ? static_cast<std::size_t>(size) : 0));
  Holder holder;
  std::string word;
  text >> word >> holder.process >> word >> holder.host >> word >> holder.boot;
  return holder;
}

bool write_whole(int file, std::string_view text) {
  if (::ftruncate(file, 0) != 0) return false;
  for (off_t at = 0; !text.empty();) {  // a write may take a part, which is no error
    const ssize_t written = ::pwrite(file, text.data(), text.size(), at);
    if (written <= 0) return false;
    at += written;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace trifold::apps
