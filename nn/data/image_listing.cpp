#include "nn/data/image_listing.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

#include "kernels/runtime/error.h"
#include "nn/data/utf8.h"

namespace trifold::nn {
namespace {

namespace fs = std::filesystem;

using namespace std::string_view_literals;

constexpr std::array readable = {".jpg"sv, ".jpeg"sv, ".png"sv};
constexpr std::array unreadable = {".avif"sv, ".bmp"sv, ".gif"sv, ".heic"sv, ".jfif"sv, ".jp2"sv,
                                   ".jpe"sv,  ".pgm"sv, ".ppm"sv, ".tif"sv,  ".tiff"sv, ".webp"sv};

/// What is in a folder and not hidden, sorted by name.
std::vector<fs::directory_entry> list(const fs::path& folder) {
  std::vector<fs::directory_entry> found;
  try {
    for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
      if (!entry.path().filename().string().starts_with('.')) found.push_back(entry);
    }
  } catch (const fs::filesystem_error& failure) {
    throw FileError(
        fmt::format("{}: cannot be listed ({})", folder.string(), failure.code().message()));
  }
  std::ranges::sort(found);
  return found;
}

/// Also of a link to one. What can't be looked at is no folder: reading it will say why.
bool is_folder(const fs::directory_entry& entry) {
  std::error_code ignored;
  return entry.is_directory(ignored);
}

std::string ending(const fs::path& path) {
  std::string text = path.extension().string();
  std::ranges::transform(text, text.begin(), [](unsigned char letter) {
    return static_cast<char>(std::tolower(letter));
  });
  return text;
}

bool is_one_of(const std::string& ending, const auto& endings) {
  return std::ranges::find(endings, ending) != endings.end();
}

/// Adds the images of `split` in `folder` and below. `above` are the folders that this one is in.
void collect(const fs::path& split, const fs::path& folder, std::vector<fs::path>& above,
             ImageListing& listing) {
  for (const fs::path& other : above) {
    std::error_code ignored;
    require<FileError>(!fs::equivalent(folder, other, ignored),
                       "{}: this link leads back to {}, a folder that it is in; remove it",
                       folder.string(), other.string());
  }
  above.push_back(folder);
  for (const fs::directory_entry& entry : list(folder)) {
    if (is_folder(entry)) {
      collect(split, entry.path(), above, listing);
    } else if (is_one_of(ending(entry.path()), readable)) {
      listing.files.push_back(entry.path().lexically_relative(split).string());
    } else if (is_one_of(ending(entry.path()), unreadable)) {
      listing.other_formats.push_back(entry.path().string());
    }
  }
  above.pop_back();
}

}  // namespace

std::vector<std::string> list_classes(const fs::path& split) {
  std::vector<std::string> names;
  if (!fs::is_directory(split)) return names;
  for (const fs::directory_entry& entry : list(split)) {
    if (!is_folder(entry)) continue;
    const std::string name = entry.path().filename().string();
    require<FileError>(is_utf8(name),
                       "{}: the name of the class folder '{}' is not in UTF-8, as models record "
                       "it; rename the folder",
                       split.string(), as_utf8(name));
    names.push_back(name);
  }
  return names;
}

ImageListing list_images(const fs::path& split, const std::vector<std::string>& classes) {
  ImageListing listing;
  for (const fs::directory_entry& entry : list(split)) {
    const fs::path& path = entry.path();
    if (!is_folder(entry)) {
      const bool image = is_one_of(ending(path), readable) || is_one_of(ending(path), unreadable);
      if (image) listing.in_no_class.push_back(path.string());
      continue;
    }
    const std::string name = path.filename().string();
    const auto place = std::ranges::lower_bound(classes, name);
    require<FileError>(place != classes.end() && *place == name,
                       "{}: '{}' is not one of the {} training classes", split.string(),
                       as_utf8(name), classes.size());
    const std::size_t before = listing.files.size();
    std::vector<fs::path> above;
    collect(split, path, above, listing);
    if (listing.files.size() == before) listing.empty_classes.push_back(path.string());
    listing.labels.resize(listing.files.size(), static_cast<std::int32_t>(place - classes.begin()));
  }
  return listing;
}

std::string enumerate(const std::vector<std::string>& items) {
  constexpr std::ptrdiff_t most = 20;
  const std::ptrdiff_t shown = std::min(std::ssize(items), most);
  std::string text = fmt::format("{}", fmt::join(items.begin(), items.begin() + shown, "; "));
  if (shown < std::ssize(items)) text += fmt::format("; and {} more", std::ssize(items) - shown);
  return text;
}

}  // namespace trifold::nn
