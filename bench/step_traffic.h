/// What the kernels of a training step move and multiply on a GPU, worked out from the shapes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nn/graph.h"

namespace trifold::bench {

/// What becomes of batch norms.
///   none          convolution; statistics; normalisation; addition; ReLU: each reads and writes
///                 its arrays, and so do their gradients and every sum of two gradients;
///   norms         a batch norm takes the addition and the ReLU along, a convolution's gradient is
///                 added where it goes;
///   convolutions  nn/execute/norm_fusion.h: norms are worked where convolutions read, and statistics taken
///                 where they write; gradients of norms are evaluated where convolutions' gradients
///                 read them, masked and summed up where they are written; a dense block grows in
///                 place.
enum class Fusion { none, norms, convolutions };

/// An array, or what a kernel takes of it; the same name is the same memory.
struct Array {
  std::int64_t name;
  double bytes;
};

/// The kernel of a launch that multiplies, and how often all its warps together go through the
/// loops of its machine code.
struct Kernel {
  std::string function, arguments;  ///< of its template, without the first, its arithmetic
  double blocks = 0, warps = 0;
  double turns = 0;  ///< of the loops that multiply
  double tiles = 0;  ///< of the loop around these, if there is one
};

/// One kernel's launch. An array counts once, however often it is read: what lies between is taken
/// to come from caches, and nothing to stay in them from one launch to the next.
struct Launch {
  std::string kind;
  std::vector<Array> reads, writes;
  double least_bytes = 0;  ///< without partial results
  double macs = 0;         ///< multiply-adds, those of tiles' paddings included
  double least_macs = 0;   ///< without them
  Kernel kernel = {};

  double bytes() const;
};

/// The launches of one step of training on `batch` images of side x side: forward, loss, backward
/// and the update of the parameters. On tensor cores other kernels are chosen than in float32.
std::vector<Launch> training_step(const nn::Graph& graph, std::int64_t side, std::int64_t batch,
                                  Fusion fusion, bool tensor_cores);

/// Of what each launch reads, what a cache of `capacity_bytes` still has from those before: arrays
/// between whose uses all arrays that are used, once each, fit. What is written is taken to go to
/// memory in any case.
std::vector<double> bytes_found_in_cache(const std::vector<Launch>& launches,
                                         double capacity_bytes);

}  // namespace trifold::bench
