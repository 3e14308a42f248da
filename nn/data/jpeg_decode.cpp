#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdio>
#include <new>
#include <string_view>

// After <cstdio>, whose FILE it takes for granted.
#include <jpeglib.h>

#include <jerror.h>

#include "kernels/runtime/error.h"
#include "nn/data/image_format.h"

namespace trifold::nn {
namespace {

constexpr int exif_marker = JPEG_APP0 + 1;
constexpr std::string_view exif_start("Exif\0\0", 6);

/// libjpeg with its error manager. libjpeg reports a failure by a call that must not return; it
/// jumps back to `attempt`.
class Decoder {
 public:
  Decoder() {
    jpeg.err = jpeg_std_error(&errors_);
    jpeg.client_data = this;
    errors_.error_exit = [](j_common_ptr info) {
      Decoder& self = of(info);
      self.errors_.format_message(info, self.failure_.data());
      std::longjmp(self.back_, 1);
    };
    errors_.emit_message = [](j_common_ptr info, int level) {
      if (level < 0) of(info).note_warning();
    };
    monitor_.progress_monitor = [](j_common_ptr info) {
      constexpr int most_scans = 500;  // a small file of endless scans would take for ever
      Decoder& self = of(info);
      if (self.jpeg.input_scan_number <= most_scans) return;
      std::snprintf(self.failure_.data(), self.failure_.size(), "more than %d scans", most_scans);
      std::longjmp(self.back_, 1);
    };
  }
  ~Decoder() { jpeg_destroy_decompress(&jpeg); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  void open(const std::vector<std::uint8_t>& file) {
    jpeg_create_decompress(&jpeg);
    jpeg.progress = &monitor_;
    jpeg_mem_src(&jpeg, file.data(), file.size());
  }

  /// Calls libjpeg; false where it gave up, for the reason failure(). `calls` makes no object that
  /// has a destructor: the jump would pass it by.
  template <class Calls>
  bool attempt(Calls calls) {
    if (setjmp(back_) != 0) return false;
    calls();
    return true;
  }

  const char* failure() const { return failure_.data(); }
  bool out_of_memory() const { return errors_.msg_code == JERR_OUT_OF_MEMORY; }

  /// What libjpeg warned of first, or nothing.
  const char* warning() const { return warning_.data(); }

  /// Whether the file ended where data of the picture had to come. Known once all rows are read.
  bool cut_off() const {
    if (!ran_out_) return false;
    if (starved_ || jpeg.arith_code) return true;  // arithmetic decoding doesn't tell
    for (int c = 0; c < jpeg.num_components; ++c) {
      const bool in_no_scan = jpeg.comp_info[c].quant_table == nullptr;
      if (in_no_scan) return true;
      if (jpeg.coef_bits == nullptr) continue;  // not progressive
      const int* const missing_bits = jpeg.coef_bits[c];
      if (std::any_of(missing_bits, missing_bits + DCTSIZE2, [](int bits) { return bits != 0; })) {
        return true;
      }
    }
    return false;
  }
  bool ran_out() const { return ran_out_; }

  jpeg_decompress_struct jpeg{};

 private:
  static Decoder& of(j_common_ptr info) { return *static_cast<Decoder*>(info->client_data); }

  void note_warning() {
    if (errors_.msg_code == JWRN_JPEG_EOF) ran_out_ = true;
    if (errors_.msg_code == JWRN_HIT_MARKER && ran_out_) starved_ = true;
    if (errors_.num_warnings++ > 0) return;
    errors_.format_message(reinterpret_cast<j_common_ptr>(&jpeg), warning_.data());
  }

  jpeg_error_mgr errors_{};
  jpeg_progress_mgr monitor_{};
  std::jmp_buf back_;
  std::array<char, JMSG_LENGTH_MAX> failure_{}, warning_{};
  bool ran_out_ = false;  // the file has no more bytes
  bool starved_ = false;  // and the picture needed some
};

/// A row of inverted inks, as Adobe stores them, to colours: each ink takes its share of what black
/// leaves. In Pillow's fixed point.
void inks_to_rgb(const std::vector<std::uint8_t>& inks, std::uint8_t* rgb) {
  for (std::size_t i = 0; i < inks.size(); i += 4) {
    const int light = inks[i + 3];
    for (std::size_t c = 0; c < 3; ++c) {
      const int product = (255 - inks[i + c]) * light + 128;
      *rgb++ = static_cast<std::uint8_t>(light - (((product >> 8) + product) >> 8));
    }
  }
}

std::vector<std::uint8_t> find_exif(const jpeg_decompress_struct& jpeg) {
  for (auto marker = jpeg.marker_list; marker != nullptr; marker = marker->next) {
    std::vector<std::uint8_t> data(marker->data, marker->data + marker->data_length);
    if (std::ranges::mismatch(exif_start, data).in1 == exif_start.end()) return data;
  }
  return {};
}

}  // namespace

StoredImage decode_jpeg(const std::filesystem::path& path, const std::vector<std::uint8_t>& file,
                        const ChooseStoredShrink& shrink) {
  Decoder decoder;
  jpeg_decompress_struct& jpeg = decoder.jpeg;
  const auto check = [&](bool read) {
    if (!read && decoder.out_of_memory()) throw std::bad_alloc();
    const bool cut_off = read ? decoder.cut_off() : decoder.ran_out();
    require<FileError>(
        read && !cut_off, "{}: the JPEG data is damaged ({})", path.string(),
        cut_off ? "it is cut off before the picture is complete" : decoder.failure());
  };
  check(decoder.attempt([&] {
    decoder.open(file);
    jpeg_save_markers(&jpeg, exif_marker, 0xFFFF);
    jpeg_read_header(&jpeg, TRUE);
  }));
  StoredImage stored;
  stored.exif = find_exif(jpeg);
  stored.height = jpeg.image_height;
  stored.width = jpeg.image_width;
  check_extents(path, stored.height, stored.width);
  stored.shrink = shrink(stored.height, stored.width, stored.exif);

  const bool cmyk = jpeg.jpeg_color_space == JCS_CMYK || jpeg.jpeg_color_space == JCS_YCCK;
  jpeg.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
  jpeg.scale_num = 1;
  jpeg.scale_denom = static_cast<unsigned>(stored.shrink);
  check(decoder.attempt([&] { jpeg_calc_output_dimensions(&jpeg); }));
  stored.image = empty_rgb(jpeg.output_height, jpeg.output_width);
  std::vector<std::uint8_t> inks(cmyk ? std::size_t{4} * jpeg.output_width : 0);
  check(decoder.attempt([&] {
    jpeg_start_decompress(&jpeg);
    std::uint8_t* rgb = stored.image.pixels.data();
    while (jpeg.output_scanline < jpeg.output_height) {
      JSAMPROW row = cmyk ? inks.data() : rgb;
      jpeg_read_scanlines(&jpeg, &row, 1);
      if (cmyk) inks_to_rgb(inks, rgb);
      rgb += std::size_t{3} * jpeg.output_width;
    }
  }));
  // The picture is whole by now: what is wrong behind it can be no more than a warning.
  const bool ended = decoder.attempt([&] { jpeg_finish_decompress(&jpeg); });
  stored.warning = ended ? decoder.warning() : decoder.failure();
  return stored;
}

}  // namespace trifold::nn
