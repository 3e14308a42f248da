/// Who holds a file: what run.lock and the leases of a run folder say in words.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "engine/descriptor.h"
#include "engine/file_io.h"

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

using engine::Descriptor;
using engine::has_name;

/// Makes `text` the whole content of an open file. False, with errno: it can't be written.
bool write_whole(int file, std::string_view text);

}  // namespace trifold::apps
