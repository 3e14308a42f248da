#include "apps/cli/text.h"

#include <fmt/format.h>
#include <locale.h>

#include <algorithm>
#include <cwchar>
#include <limits>

namespace trifold::apps {
namespace {

// The C library knows how wide characters are, but in a locale alone: that of a scope.
class Utf8Locale {
 public:
  Utf8Locale()
      : locale_(newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)), before_(uselocale(locale_)) {}
  ~Utf8Locale() {
    uselocale(before_);
    if (locale_ != nullptr) freelocale(locale_);
  }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;

 private:
  locale_t locale_, before_;
};

struct Extent {
  std::size_t bytes = 0;
  int columns = 0;
};

// Of the characters at the front of `text` that fit into `columns`.
Extent measure(const std::string& text, int columns) {
  const Utf8Locale locale;
  std::mbstate_t state{};
  Extent extent;
  while (extent.bytes < text.size()) {
    wchar_t character = 0;
    std::size_t bytes =
        std::mbrtowc(&character, text.data() + extent.bytes, text.size() - extent.bytes, &state);
    int width = 1;
    if (bytes == 0 || bytes > text.size()) {  // a NUL, or not UTF-8: a terminal shows some sign
      bytes = 1;
      state = {};
    } else {
      width = std::max(wcwidth(character), 0);
    }
    if (extent.columns + width > columns) break;
    extent.bytes += bytes;
    extent.columns += width;
  }
  return extent;
}

}  // namespace

std::string fit_columns(const std::string& text, int columns) {
  return text.substr(0, measure(text, columns).bytes);
}

std::string printable(const std::string& text) {
  std::string shown;
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto c = static_cast<unsigned char>(text[i]);
    const unsigned char next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0;
    // In UTF-8, the controls from 0x80 to 0x9f are two bytes, of which the second one is their number.
    const bool is_second = c == 0xc2 && next >= 0x80 && next < 0xa0;
    if (c == '\n') {
      shown += "\\n";
    } else if (c < 0x20 || c == 0x7f || is_second) {
      shown += fmt::format("\\x{:02x}", static_cast<int>(is_second ? next : c));
      i += is_second ? 1 : 0;
    } else {
      shown += text[i];
    }
  }
  return shown;
}

int columns_of(const std::string& text) {
  return measure(text, std::numeric_limits<int>::max()).columns;
}

}  // namespace trifold::apps
