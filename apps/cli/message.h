/// What a program says beside its results.
#pragma once

#include <string>

namespace trifold::apps {

/// Writes `text` to stderr as it is. Where that is closed or full, the text is lost and nothing else
/// happens: what can't be said must not end what is being done.
void message(const std::string& text);

}  // namespace trifold::apps
