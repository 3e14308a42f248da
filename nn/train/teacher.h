/// A trained network whose answers another one learns from, beside the labels.
#pragma once

#include "nn/data/normalisation.h"
#include "nn/input_size.h"
#include "nn/network.h"

namespace trifold::nn {

/// Each batch is shown to both networks, cropped and mirrored alike: to the one that is trained at
/// its size, to the teacher at its own and with its own normalisation. The teacher answers as in
/// inference; kernels/distillation.h says what is made of the answers.
struct Teacher {
  const Network* network = nullptr;  ///< outlives the training and doesn't change meanwhile
  InputSize size = 0;                ///< of its images
  Normalisation normalisation = {};
  double weight = 0.5;     ///< its share of the loss, in [0, 1]; the labels have the rest
  double temperature = 4;  ///< > 0; a higher one makes the answers softer
};

/// Errors    ConfigError: a weight, a temperature or a size out of range; a network that lies on
///           another device than the student's, or has other classes or image channels.
void check(const Teacher& teacher, const Network& student);

/// The CRC-32 of all that decides what the teacher answers: its graph, its parameters with the
/// running statistics, its size and its normalisation.
std::uint32_t checksum(const Teacher& teacher);

}  // namespace trifold::nn
