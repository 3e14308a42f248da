/// A number for a name: what is drawn for a layer depends on its name, not on its place.
#pragma once

#include <cstdint>
#include <string>

namespace trifold::nn {

/// FNV-1a.
inline std::uint32_t hash_name(const std::string& name) {
  std::uint32_t hash = 2166136261u;
  for (unsigned char c : name) hash = (hash ^ c) * 16777619u;
  return hash;
}

}  // namespace trifold::nn
