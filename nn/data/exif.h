/// The orientation note of cameras.
#pragma once

#include <cstdint>
#include <vector>

#include "nn/data/image.h"

namespace trifold::nn {

/// The orientation, 1 to 8, that EXIF data ("Exif", two zero bytes, TIFF) gives its picture; 1, as it
/// is stored, where the data is damaged or says nothing.
int exif_orientation(const std::vector<std::uint8_t>& exif);

/// Whether rows become columns as a picture of that orientation is shown.
inline bool transposes(int orientation) { return orientation >= 5; }

/// A picture as a viewer shows it. `orientation` tells where the stored rows and columns begin:
/// 2 mirrored, 3 turned by 180 degrees, 4 upside down and mirrored, 5 transposed, 6 to be turned
/// clockwise, 7 transposed along the other diagonal, 8 to be turned counter-clockwise.
/// Source    CIPA DC-008 (Exif 2.3), section 4.6.4, tag 0x0112.
Image upright(Image image, int orientation);

}  // namespace trifold::nn
