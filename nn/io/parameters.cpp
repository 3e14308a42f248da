#include "nn/io/parameters.h"

#include <algorithm>

#include "kernels/runtime/error.h"
#include "nn/finite.h"
#include "nn/io/weight_layout.h"

namespace trifold::nn {
namespace {

using engine::SafetensorsFile;

// A value that no network can have spoils every result in silence.
void check_values(Role role, const engine::Tensor& stored, const std::string& where,
                  const std::string& name) {
  const auto refuse = [&](std::int64_t place, const char* what) {
    throw FileError(fmt::format(
        "{}: tensor '{}' holds {} at element {} of {}, {}; the file is damaged, or the "
        "training that wrote it diverged: take an earlier copy",
        where, name, stored.values()[static_cast<std::size_t>(place)], place, stored.size(), what));
  };
  if (const auto place = find_not_finite(stored)) refuse(*place, "which is not finite");
  if (role != Role::running_var) return;
  const auto below = std::ranges::find_if(stored.values(), [](float v) { return v < 0; });
  if (below != stored.values().end()) {
    refuse(below - stored.values().begin(), "but no variance is below 0");
  }
}

// torchvision has the linear layers of squeeze and excitation as convolutions of one pixel.
bool fits(Role role, const engine::Shape& found, const engine::Shape& wanted) {
  return found == wanted ||
         (role == Role::linear_weight && found == engine::Shape{wanted[0], wanted[1], 1, 1});
}

}  // namespace

void check_shapes(const Graph& graph, const std::string& prefix, const SafetensorsFile& file) {
  const std::string where = file.path.string();
  try {
    for (const ParameterSpec& spec : parameter_specs(graph)) {
      const std::string name = prefix + spec.name;
      const engine::Shape wanted = file_shape(spec.role, spec.shape), &found = file.at(name).shape;
      require<FileError>(fits(spec.role, found, wanted),
                         "{}: tensor '{}' has the shape {}, the network needs {}", where, name,
                         to_string(found), to_string(wanted));
    }
  } catch (const ShapeError& e) {
    throw FileError(fmt::format("{}: the network's structure is damaged: {}", where, e.what()));
  }
}

void store_parameters(const Network& network, const std::string& prefix,
                      std::map<std::string, engine::StoredTensor>& tensors) {
  for (const Parameter& p : network.parameters()) {
    tensors[prefix + p.name] = engine::StoredTensor::from(to_file_layout(p.role, p.var.value));
  }
}

void restore_parameters(Network& network, const std::string& prefix, const SafetensorsFile& file) {
  check_shapes(network.graph(), prefix, file);
  for (Parameter& p : network.parameters()) {
    const std::string name = prefix + p.name;
    const engine::Tensor stored = file.floats(name);
    check_values(p.role, stored, file.path.string(), name);
    p.var.value = from_file_layout(p.role, stored).to(network.device());
  }
}

}  // namespace trifold::nn
