/// Files of named arrays in the safetensors format: a little-endian u64 with the length of a JSON
/// header, the header, and the raw little-endian elements.
/// Source: https://github.com/huggingface/safetensors, "Format".
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/shape.h"
#include "engine/tensor.h"

namespace trifold::engine {

/// The element types that are read and written; a file with another one is refused.
enum class StoredType { f64, f32, f16, bf16, i64, i32, u8 };

/// "F64", "F32", ...: as the header spells it.
std::string_view to_string(StoredType type);
/// Bytes of one element.
std::int64_t size_bytes(StoredType type);

/// One array as it lies in the file. The last extent is contiguous, as in a Tensor.
struct StoredTensor {
  StoredType type = StoredType::f32;
  Shape shape;
  std::vector<std::byte> bytes;  ///< shape.size() * size_bytes(type) of them

  /// The elements of a tensor, which is on the CPU.
  static StoredTensor from(const Tensor& tensor);
};

/// What a file holds, and how to take Tensors on the CPU out of it.
/// Errors    FileError, naming file and tensor: there is none of that name, or its elements can't
///           be converted.
struct SafetensorsFile {
  std::filesystem::path path;  ///< for error texts
  std::map<std::string, std::string> metadata;
  std::map<std::string, StoredTensor> tensors;

  const StoredTensor& at(const std::string& name) const;
  /// The elements of F64 (rounded to nearest), F32, F16 or BF16 as float32.
  Tensor floats(const std::string& name) const;
  /// The elements of I64, I32 or U8 as int32, each checked to fit.
  Tensor ints(const std::string& name) const;
};

/// Reads and checks a whole file. Nothing in it is believed before it is checked: memory is
/// allocated only for bytes that the file really has.
/// Errors    FileError: no such file; a header that is cut off, longer than 100 MB or not what the
///           format describes; duplicate names; an unknown element type; ranges that don't fit
///           their shapes or don't cover the data exactly once.
SafetensorsFile read_safetensors(const std::filesystem::path& path);

/// Writes a file atomically. The same input gives the same bytes: the data lies in order of element
/// size, widest first so that each array is aligned, then of name; spaces pad the header to a
/// multiple of 8 bytes.
/// Errors    WriteError: it can't be written. FileError: a text is not UTF-8. ShapeError: a tensor
///           with more or fewer bytes than its shape needs, or one called "__metadata__".
void write_safetensors(const std::filesystem::path& path,
                       const std::map<std::string, std::string>& metadata,
                       const std::map<std::string, StoredTensor>& tensors);

}  // namespace trifold::engine
