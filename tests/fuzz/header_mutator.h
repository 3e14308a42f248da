/// Mutates safetensors files: mostly the header's text, whose length in front of it follows.
#pragma once

#include <cstring>

#include "tests/fuzz/input.h"
#include "tests/fuzz/mutate.h"

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned int seed) {
  using namespace trifold::fuzz;
  std::uint64_t length = 0;
  if (size < sizeof length || seed % 8 == 0) return LLVMFuzzerMutate(data, size, max_size);
  std::memcpy(&length, data, sizeof length);
  const std::string_view rest = text_of(data, size).substr(sizeof length);
  const std::size_t end = std::min<std::uint64_t>(length, rest.size());
  std::string header = mutated(std::string(rest.substr(0, end)));
  length = header.size();
  std::string bytes(reinterpret_cast<const char*>(&length), sizeof length);
  bytes += header;
  bytes += rest.substr(end);
  return replace_input(data, size, max_size, bytes);
}
