/// The dialect's atomics. Threads take turns, so any read-modify-write is atomic already; it is made
/// of the compiler's atomic operations so that the checker tells it from a plain access.
#pragma once

#include <bit>
#include <cstdint>
#include <type_traits>

namespace simt {

template <class T>
using Bits = std::conditional_t<sizeof(T) == 8, std::uint64_t,
                                std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint16_t>>;

/// *p = update(*p); returns what *p was.
template <class T, class Update>
T atomic_update(T* p, Update update) {
  using Word __attribute__((may_alias)) = Bits<T>;
  auto* word = reinterpret_cast<Word*>(p);
  Bits<T> old = __atomic_load_n(word, __ATOMIC_RELAXED), wanted;
  do {
    wanted = std::bit_cast<Bits<T>>(static_cast<T>(update(std::bit_cast<T>(old))));
  } while (
      !__atomic_compare_exchange_n(word, &old, wanted, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
  return std::bit_cast<T>(old);
}

}  // namespace simt

template <class T>
T atomicAdd(T* p, std::type_identity_t<T> value) {
  return simt::atomic_update(p, [value](T old) { return old + value; });
}
template <class T>
T atomicSub(T* p, std::type_identity_t<T> value) {
  return simt::atomic_update(p, [value](T old) { return old - value; });
}
template <class T>
T atomicMin(T* p, std::type_identity_t<T> value) {
  return simt::atomic_update(p, [value](T old) { return value < old ? value : old; });
}
template <class T>
T atomicMax(T* p, std::type_identity_t<T> value) {
  return simt::atomic_update(p, [value](T old) { return old < value ? value : old; });
}
template <class T>
T atomicAnd(T* p, std::type_identity_t<T> value) {
  return simt::atomic_update(p, [value](T old) { return old & value; });
}
template <class T>
T atomicOr(T* p, std::type_identity_t<T> value) {
  return simt::atomic_update(p, [value](T old) { return old | value; });
}
template <class T>
T atomicXor(T* p, std::type_identity_t<T> value) {
  return simt::atomic_update(p, [value](T old) { return old ^ value; });
}
template <class T>
T atomicExch(T* p, std::type_identity_t<T> value) {
  return simt::atomic_update(p, [value](T) { return value; });
}
template <class T>
T atomicCAS(T* p, std::type_identity_t<T> expected, std::type_identity_t<T> value) {
  return simt::atomic_update(p, [=](T old) { return old == expected ? value : old; });
}
inline unsigned atomicInc(unsigned* p, unsigned limit) {
  return simt::atomic_update(p, [limit](unsigned old) { return old >= limit ? 0u : old + 1; });
}
inline unsigned atomicDec(unsigned* p, unsigned limit) {
  return simt::atomic_update(
      p, [limit](unsigned old) { return old == 0 || old > limit ? limit : old - 1; });
}
