/// What the compiler calls where -fsanitize=bounds,alignment,shift,integer-divide-by-zero and
/// float-cast-overflow find undefined behaviour. The sanitizer's own library is not linked: these
/// stand in for it.
#include <cstdint>

#include "kernels/simt/block.h"
#include "kernels/simt/report.h"

namespace {

struct SourceLocation {
  const char* file;
  std::uint32_t line, column;
};

/// Kernels end there; host code goes on after the report.
void undefined(simt::Fault fault, const char* what, const void* data) {
  const auto* at = static_cast<const SourceLocation*>(data);
  const std::string message = simt::text(what, " at ", at->file, ":", at->line, ":", at->column);
  if (simt::current != nullptr) simt::the_block().fail(fault, message);
  simt::report(fault, message);
}

}  // namespace

using simt::Fault;

extern "C" {
void __ubsan_handle_out_of_bounds(void* data, std::uintptr_t) {
  undefined(Fault::undefined_behaviour, "an index is outside its array", data);
}
void __ubsan_handle_type_mismatch_v1(void* data, std::uintptr_t address) {
  const bool null = address < 4096;
  undefined(null ? Fault::invalid_address : Fault::misaligned,
            null ? "a null pointer is used" : "an address is not aligned for its type", data);
}
void __ubsan_handle_shift_out_of_bounds(void* data, std::uintptr_t, std::uintptr_t) {
  undefined(Fault::undefined_behaviour, "a shift is longer than its type", data);
}
void __ubsan_handle_float_cast_overflow(void* data, std::uintptr_t) {
  undefined(Fault::undefined_behaviour, "a float is outside the integer type that it becomes",
            data);
}
void __ubsan_handle_divrem_overflow(void* data, std::uintptr_t, std::uintptr_t) {
  undefined(Fault::undefined_behaviour, "an integer division has no result", data);
}
}
