/// Twins of the tensor-core instructions, after the PTX ISA's figures. With g = lane / 4 and
/// t = lane % 4, register i of a lane holds
///   m16n8k16  A: row g + 8 (i % 2), columns 2 t and 2 t + 1, + 8 (i / 2);
///             B: rows 2 t and 2 t + 1, + 8 i, column g;
///   m16n8k8   A: row g + 8 (i % 2), column t + 4 (i / 2);  B: row t + 4 i, column g;
///   both      C: row g + 8 (i / 2), column 2 t + i % 2.
#include <bit>
#include <cstring>

#include "kernels/simt/arena.h"
#include "kernels/simt/block.h"
#include "kernels/simt/device_math.h"
#include "kernels/simt/profile.h"
#include "kernels/simt/report.h"
#include "kernels/simt/shadow.h"

namespace simt {
namespace {

struct Fragments {
  std::uint32_t a[4], b[2];
  float c[4];
};
static_assert(sizeof(Fragments) <= Meeting::slot_bytes);

float from_bf16(std::uint32_t bits) { return std::bit_cast<float>(bits << 16); }
float from_tf32(std::uint32_t bits) { return std::bit_cast<float>(bits & 0xffffe000u); }

/// Lane `lane`'s fragments, whose `c` becomes its part of d.
Fragments load(const Meeting& m, unsigned lane) {
  Fragments f;
  std::memcpy(&f, m.slot[lane], sizeof f);
  return f;
}

/// The whole warp's product, by the lane that came last. Sums are made in float32 in the order of
/// k; the order and the rounding inside a tensor core are its own.
template <unsigned depth>
void multiply(Meeting& m, const float (&a)[16][depth], const float (&b)[depth][8]) {
  profile::tensor_product(16 * 8 * depth);
  for (unsigned lane = 0; lane < 32; ++lane) {
    const unsigned g = lane / 4, t = lane % 4;
    Fragments f = load(m, lane);
    for (unsigned i = 0; i < 4; ++i) {
      const unsigned row = g + 8 * (i / 2), column = 2 * t + i % 2;
      for (unsigned k = 0; k < depth; ++k) f.c[i] += a[row][k] * b[k][column];
      f.c[i] = as_on_device(f.c[i]);
    }
    std::memcpy(m.slot[lane], &f, sizeof f);
  }
}

void multiply_bf16(Meeting& m) {
  float a[16][16], b[16][8];
  for (unsigned lane = 0; lane < 32; ++lane) {
    const unsigned g = lane / 4, t = lane % 4;
    const Fragments f = load(m, lane);
    for (unsigned half = 0; half < 2; ++half) {
      for (unsigned i = 0; i < 4; ++i) {
        a[g + 8 * (i % 2)][2 * t + half + 8 * (i / 2)] = from_bf16(f.a[i] >> 16 * half & 0xffff);
      }
      for (unsigned i = 0; i < 2; ++i) {
        b[2 * t + half + 8 * i][g] = from_bf16(f.b[i] >> 16 * half & 0xffff);
      }
    }
  }
  multiply<16>(m, a, b);
}

void multiply_tf32(Meeting& m) {
  float a[16][8], b[8][8];
  for (unsigned lane = 0; lane < 32; ++lane) {
    const unsigned g = lane / 4, t = lane % 4;
    const Fragments f = load(m, lane);
    for (unsigned i = 0; i < 4; ++i) a[g + 8 * (i % 2)][t + 4 * (i / 2)] = from_tf32(f.a[i]);
    for (unsigned i = 0; i < 2; ++i) b[t + 4 * i][g] = from_tf32(f.b[i]);
  }
  multiply<8>(m, a, b);
}

void mma(WarpOperation operation, void (*product)(Meeting&), float (&d)[4],
         const std::uint32_t (&a)[4], const std::uint32_t (&b)[2], const float (&c)[4], Site site) {
  require_capability(80, "mma of bfloat16 and TF32", site);
  Fragments mine;
  std::memcpy(mine.a, a, sizeof a);
  std::memcpy(mine.b, b, sizeof b);
  std::memcpy(mine.c, c, sizeof c);
  Meeting& m = the_block().meet(operation, ~0u, &mine, sizeof mine, site, product);
  std::memcpy(d, load(m, current->lane).c, sizeof d);
  Block::leave(m);
}

/// What a lane reads, checked as its own access; the request to memory is the row's.
template <class T>
std::uint32_t read(const char* p, const void* code) {
  shadow::access(p, sizeof(T), {.profiled = false}, code);
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

}  // namespace

void mma_bf16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
              const float (&c)[4], Site site) {
  mma(WarpOperation::mma_bf16, multiply_bf16, d, a, b, c, site);
}

void mma_tf32(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
              const float (&c)[4], Site site) {
  mma(WarpOperation::mma_tf32, multiply_tf32, d, a, b, c, site);
}

void ldmatrix(std::uint32_t* registers, int count, bool transposed, const void* row, Site site) {
  const unsigned lane = current->lane, g = lane / 4, t = lane % 4;
  const void* code = __builtin_return_address(0);
  if (lane < static_cast<unsigned>(8 * count)) {
    if (reinterpret_cast<std::uintptr_t>(row) % 16 != 0) {
      the_block().fail(Fault::misaligned, text("a row of ldmatrix isn't aligned to 16 bytes, at ",
                                               site.file, ":", site.line));
    }
    if (!arena::contains(row) || !arena::is_shared(row)) {
      the_block().fail(Fault::invalid_address, text("a row of ldmatrix isn't in shared memory, at ",
                                                    site.file, ":", site.line));
    }
    if (profile::active() && shadow::enabled()) {
      profile::memory_access(
          static_cast<std::size_t>(static_cast<const char*>(row) - arena::base()), 16, false, false,
          code);
    }
  }
  const char* rows[32] = {};
  warp_gather(WarpOperation::ldmatrix, ~0u, &row, sizeof row, rows, site);
  for (int i = 0; i < count; ++i) {
    const char* const* matrix = rows + 8 * i;
    registers[i] = !transposed ? read<std::uint32_t>(matrix[g] + 4 * t, code)
                               : read<std::uint16_t>(matrix[2 * t] + 2 * g, code) |
                                     read<std::uint16_t>(matrix[2 * t + 1] + 2 * g, code) << 16;
  }
}

}  // namespace simt
