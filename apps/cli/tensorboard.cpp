#include "apps/cli/tensorboard.h"

#include <chrono>
#include <protozero/pbf_writer.hpp>

namespace trifold::apps {
namespace {

// The fields of event.proto and summary.proto that are written.
namespace event_field {
constexpr std::uint32_t wall_time = 1, step = 2, file_version = 3, summary = 5;
}
namespace summary_field {
constexpr std::uint32_t value = 1;
}
namespace value_field {
constexpr std::uint32_t tag = 1, simple_value = 2;
}

std::string little_endian(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> 8 * i & 0xff);
  return text;
}

std::string masked_checksum(std::string_view bytes) {
  const std::uint32_t crc = crc32c(bytes);
  return little_endian(static_cast<std::uint32_t>((crc >> 15 | crc << 17) + 0xa282ead8u), 4);
}

std::string record(const std::string& event) {
  const std::string length = little_endian(event.size(), 8);
  return length + masked_checksum(length) + event + masked_checksum(event);
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t crc = 0xffffffffu;
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
  }
  return ~crc;
}

double seconds_since_1970() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

std::string tensorboard_beginning(double time) {
  std::string event;
  protozero::pbf_writer out(event);
  out.add_double(event_field::wall_time, time);
  out.add_string(event_field::file_version, "brain.Event:2");
  return record(event);
}

std::string tensorboard_scalars(double time, std::int64_t step,
                                const std::vector<std::pair<std::string, double>>& values) {
  std::string summary;
  protozero::pbf_writer values_out(summary);
  for (const auto& [name, number] : values) {
    protozero::pbf_writer value(values_out, summary_field::value);
    value.add_string(value_field::tag, name);
    value.add_float(value_field::simple_value, static_cast<float>(number));
  }
  std::string event;
  protozero::pbf_writer out(event);
  out.add_double(event_field::wall_time, time);
  out.add_int64(event_field::step, step);
  out.add_message(event_field::summary, summary);
  return record(event);
}

}  // namespace trifold::apps
