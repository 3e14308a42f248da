#include "nn/data/exif.h"

#include <libexif/exif-data.h>

#include <algorithm>
#include <memory>

namespace trifold::nn {

int exif_orientation(const std::vector<std::uint8_t>& exif) {
  const std::unique_ptr<ExifData, void (*)(ExifData*)> data(exif_data_new(), exif_data_unref);
  if (data == nullptr) return 1;
  // As it stands: mending what breaks the specification would invent entries.
  exif_data_unset_option(data.get(), EXIF_DATA_OPTION_FOLLOW_SPECIFICATION);
  exif_data_load_data(data.get(), exif.data(), static_cast<unsigned int>(exif.size()));
  const ExifEntry* const entry =
      exif_content_get_entry(data->ifd[EXIF_IFD_0], EXIF_TAG_ORIENTATION);
  if (entry == nullptr || entry->format != EXIF_FORMAT_SHORT || entry->components != 1) return 1;
  const int orientation = exif_get_short(entry->data, exif_data_get_byte_order(data.get()));
  return orientation >= 1 && orientation <= 8 ? orientation : 1;
}

Image upright(Image stored, int orientation) {
  if (orientation == 1) return stored;
  const bool transposed = transposes(orientation);
  const bool from_last_row =
      orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const bool from_last_column =
      orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  Image shown{stored.height, stored.width, stored.channels, {}};
  if (transposed) std::swap(shown.height, shown.width);
  shown.pixels.reserve(stored.pixels.size());
  for (std::int64_t y = 0; y < shown.height; ++y) {
    for (std::int64_t x = 0; x < shown.width; ++x) {
      std::int64_t row = transposed ? x : y, column = transposed ? y : x;
      if (from_last_row) row = stored.height - 1 - row;
      if (from_last_column) column = stored.width - 1 - column;
      const auto pixel = stored.pixels.begin() + (row * stored.width + column) * stored.channels;
      shown.pixels.insert(shown.pixels.end(), pixel, pixel + stored.channels);
    }
  }
  return shown;
}

}  // namespace trifold::nn
