/// What a program says beside its results.
#pragma once

#include <string_view>

namespace trifold::apps {

/// Writes `text` to stderr as it is. Where that is closed or full, the text is lost and nothing else
/// happens: what can't be said must not end what is being done. Takes no memory.
void message(std::string_view text);

}  // namespace trifold::apps
