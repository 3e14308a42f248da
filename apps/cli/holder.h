/// Who holds a file: what run.lock and the leases of a run folder say in words.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace trifold::apps {

/// A process on a machine. A boot has a name of its own, which all containers of a machine share,
/// while each of them has its own name of the host.
struct Holder {
  std::string process, host, boot;

  std::string name() const;
  /// What read_holder() reads.
  std::string text() const;
  bool on_machine_of(const Holder& other) const;
};

Holder this_process();

/// Empty where the file is, which has just been made.
Holder read_holder(int file);

/// An open file, closed at the end of its scope.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }
  /// From here on the caller closes it.
  int release() { return std::exchange(number_, -1); }

 private:
  int number_;
};

/// Whether `path` is a name of the open file still.
bool has_name(int file, const std::string& path);

/// Makes `text` the whole content of an open file. False, with errno: it can't be written.
bool write_whole(int file, std::string_view text);

}  // namespace trifold::apps
