#include "apps/cli/message.h"

#include <cstdio>

namespace trifold::apps {

void message(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

}  // namespace trifold::apps
