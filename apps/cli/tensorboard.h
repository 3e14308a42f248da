/// TensorBoard's form of a run's curves: an event file, which `tensorboard --logdir DIR` finds by
/// the "tfevents" in its name.
///
/// The file is a row of records, each a length (8 bytes), that length's masked checksum (4), as
/// many bytes of a protocol-buffer message Event, and theirs (4), little-endian. The checksum is
/// CRC-32C, masked as ((crc >> 15) | (crc << 17)) + 0xa282ead8. The first event names the version.
///
/// Sources   tensorflow.org/tutorials/load_data/tfrecord, "TFRecords format details";
///           tensorboard/compat/proto/{event,summary}.proto.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace trifold::apps {

/// The time now, as events have it.
double seconds_since_1970();

/// The record that a file begins with. Times are seconds since 1970.
std::string tensorboard_beginning(double time);

/// The record of some values that belong to a step, such as an epoch, each with its name. Values
/// become float32.
std::string tensorboard_scalars(double time, std::int64_t step,
                                const std::vector<std::pair<std::string, double>>& values);

/// CRC-32C, the cyclic redundancy check of Castagnoli's polynomial 0x1EDC6F41, reflected.
/// Source    RFC 3720, appendix B.4, which has examples.
std::uint32_t crc32c(std::string_view bytes);

}  // namespace trifold::apps
