/// The toolkit's vector types: names, members and alignments as in CUDA.
#pragma once

#define SIMT_VECTOR_TYPES(Element, name)                                               \
  struct alignas(2 * sizeof(Element)) name##2 {                                        \
    Element x, y;                                                                      \
  };                                                                                   \
  struct name##3 {                                                                     \
    Element x, y, z;                                                                   \
  };                                                                                   \
  struct alignas(4 * sizeof(Element) > 16 ? 16 : 4 * sizeof(Element)) name##4 {        \
    Element x, y, z, w;                                                                \
  };                                                                                   \
  inline name##2 make_##name##2(Element x, Element y) { return {x, y}; }               \
  inline name##3 make_##name##3(Element x, Element y, Element z) { return {x, y, z}; } \
  inline name##4 make_##name##4(Element x, Element y, Element z, Element w) { return {x, y, z, w}; }

SIMT_VECTOR_TYPES(float, float)
SIMT_VECTOR_TYPES(double, double)
SIMT_VECTOR_TYPES(int, int)
SIMT_VECTOR_TYPES(unsigned, uint)
SIMT_VECTOR_TYPES(short, short)
SIMT_VECTOR_TYPES(unsigned short, ushort)
SIMT_VECTOR_TYPES(signed char, char)
SIMT_VECTOR_TYPES(unsigned char, uchar)
SIMT_VECTOR_TYPES(long long, longlong)
SIMT_VECTOR_TYPES(unsigned long long, ulonglong)
#undef SIMT_VECTOR_TYPES

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
