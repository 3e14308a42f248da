/// What the compiler calls at every memory access of a source compiled with -fsanitize=thread. The
/// sanitizer's own library is not linked: these functions stand in for it.
#include <cstdint>
#include <cstring>

#include "kernels/simt/shadow.h"

using simt::shadow::access;

#define CODE __builtin_return_address(0)

#define ACCESSES(bytes)                                                                      \
  void __tsan_read##bytes(void* p) { access(p, bytes, {}, CODE); }                           \
  void __tsan_write##bytes(void* p) { access(p, bytes, {.write = true}, CODE); }             \
  void __tsan_volatile_read##bytes(void* p) { access(p, bytes, {}, CODE); }                  \
  void __tsan_volatile_write##bytes(void* p) { access(p, bytes, {.write = true}, CODE); }    \
  void __tsan_unaligned_read##bytes(void* p) { access(p, bytes, {.aligned = false}, CODE); } \
  void __tsan_unaligned_write##bytes(void* p) {                                              \
    access(p, bytes, {.write = true, .aligned = false}, CODE);                               \
  }

#define READ_MODIFY_WRITE(Word, bits, name, expression)                            \
  Word __tsan_atomic##bits##_##name(volatile Word* p, Word value, int) {           \
    access(const_cast<Word*>(p), bits / 8, {.write = true, .atomic = true}, CODE); \
    const Word old = *p;                                                           \
    *p = static_cast<Word>(expression);                                            \
    return old;                                                                    \
  }

#define ATOMICS(Word, bits)                                                                       \
  Word __tsan_atomic##bits##_load(const volatile Word* p, int) {                                  \
    access(const_cast<const Word*>(p), bits / 8, {.atomic = true}, CODE);                         \
    return *p;                                                                                    \
  }                                                                                               \
  void __tsan_atomic##bits##_store(volatile Word* p, Word value, int) {                           \
    access(const_cast<Word*>(p), bits / 8, {.write = true, .atomic = true}, CODE);                \
    *p = value;                                                                                   \
  }                                                                                               \
  READ_MODIFY_WRITE(Word, bits, exchange, value)                                                  \
  READ_MODIFY_WRITE(Word, bits, fetch_add, old + value)                                           \
  READ_MODIFY_WRITE(Word, bits, fetch_sub, old - value)                                           \
  READ_MODIFY_WRITE(Word, bits, fetch_and, old& value)                                            \
  READ_MODIFY_WRITE(Word, bits, fetch_or, old | value)                                            \
  READ_MODIFY_WRITE(Word, bits, fetch_xor, old ^ value)                                           \
  int __tsan_atomic##bits##_compare_exchange_strong(volatile Word* p, Word* expected, Word value, \
                                                    int, int) {                                   \
    access(const_cast<Word*>(p), bits / 8, {.write = true, .atomic = true}, CODE);                \
    const Word old = *p;                                                                          \
    const bool equal = old == *expected;                                                          \
    *expected = old;                                                                              \
    if (equal) *p = value;                                                                        \
    return equal;                                                                                 \
  }                                                                                               \
  int __tsan_atomic##bits##_compare_exchange_weak(volatile Word* p, Word* expected, Word value,   \
                                                  int, int) {                                     \
    return __tsan_atomic##bits##_compare_exchange_strong(p, expected, value, 0, 0);               \
  }                                                                                               \
  Word __tsan_atomic##bits##_compare_exchange_val(volatile Word* p, Word expected, Word value,    \
                                                  int, int) {                                     \
    access(const_cast<Word*>(p), bits / 8, {.write = true, .atomic = true}, CODE);                \
    const Word old = *p;                                                                          \
    if (old == expected) *p = value;                                                              \
    return old;                                                                                   \
  }

extern "C" {
void __tsan_init() { simt::shadow::enable(); }
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}

ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)

void __tsan_read_range(void* p, unsigned long bytes) { access(p, bytes, {.aligned = false}, CODE); }
void __tsan_write_range(void* p, unsigned long bytes) {
  access(p, bytes, {.write = true, .aligned = false}, CODE);
}
void* __tsan_memcpy(void* to, const void* from, unsigned long bytes) {
  access(from, bytes, {.aligned = false}, CODE);
  access(to, bytes, {.write = true, .aligned = false}, CODE);
  return std::memcpy(to, from, bytes);
}
void* __tsan_memmove(void* to, const void* from, unsigned long bytes) {
  access(from, bytes, {.aligned = false}, CODE);
  access(to, bytes, {.write = true, .aligned = false}, CODE);
  return std::memmove(to, from, bytes);
}
void* __tsan_memset(void* to, int value, unsigned long bytes) {
  access(to, bytes, {.write = true, .aligned = false}, CODE);
  return std::memset(to, value, bytes);
}

ATOMICS(std::uint8_t, 8)
ATOMICS(std::uint16_t, 16)
ATOMICS(std::uint32_t, 32)
ATOMICS(std::uint64_t, 64)
void __tsan_atomic_thread_fence(int) {}
void __tsan_atomic_signal_fence(int) {}
}
