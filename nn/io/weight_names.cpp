#include "nn/io/weight_names.h"

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <vector>

#include "kernels/runtime/error.h"
#include "nn/network.h"

namespace trifold::nn {
namespace {

using engine::SafetensorsFile;

void rename(SafetensorsFile& file, const std::string& from, const std::string& to) {
  auto entry = file.tensors.extract(from);
  if (entry.empty()) return;
  entry.key() = to;
  file.tensors.insert(std::move(entry));
}

bool is_counter(const std::string& name) {
  constexpr std::array<std::string_view, 4> counters = {"num_batches_tracked", "n_averaged",
                                                        "total_ops", "total_params"};
  const std::size_t dot = name.rfind('.');
  return std::ranges::find(counters, dot == std::string::npos ? name : name.substr(dot + 1)) !=
         counters.end();
}

// `body` are the names of all tensors of the network but those of its last layer.
void drop_prefix(SafetensorsFile& file, const std::vector<std::string>& body) {
  if (body.empty() || file.tensors.contains(body.front())) return;
  std::vector<std::string> names, candidates;
  for (const auto& [name, tensor] : file.tensors) {
    names.push_back(name);
    if (name.ends_with("." + body.front())) candidates.push_back(name);
  }
  if (candidates.empty()) return;
  // "conv1.weight" ends "layer1.0.conv1.weight", too.
  const std::string& shortest = *std::ranges::min_element(candidates, {}, &std::string::size);
  const std::string prefix = shortest.substr(0, shortest.size() - body.front().size());
  const auto stranger =
      std::ranges::find_if_not(names, [&](const auto& name) { return name.starts_with(prefix); });
  if (stranger != names.end()) {
    const bool has_all = std::ranges::all_of(
        body, [&](const std::string& name) { return file.tensors.contains(prefix + name); });
    require<FileError>(!has_all,
                       "{}: the names of the network's tensors begin with '{}', but there is '{}', "
                       "too; leave such tensors out of the file, or '{}' out of the names",
                       file.path.string(), prefix, *stranger, prefix);
    return;
  }
  for (const std::string& name : names) rename(file, name, name.substr(prefix.size()));
}

// `head` is the name of the last layer.
void rename_head(SafetensorsFile& file, const std::vector<std::string>& body,
                 const std::string& head) {
  if (file.tensors.contains(head + ".weight")) return;
  const std::set<std::string> others(body.begin(), body.end());
  std::vector<std::string> matrices;
  for (const auto& [name, tensor] : file.tensors) {
    if (name.ends_with(".weight") && tensor.shape.rank() == 2 && !others.contains(name)) {
      matrices.push_back(name.substr(0, name.rfind('.')));
    }
  }
  if (matrices.size() != 1) return;
  for (const char* part : {".weight", ".bias"}) rename(file, matrices[0] + part, head + part);
}

}  // namespace

void adopt_names(SafetensorsFile& file, const Graph& graph) {
  std::erase_if(file.tensors, [](const auto& entry) { return is_counter(entry.first); });
  const std::string& head = graph.node(graph.output()).name;
  std::vector<std::string> body;
  for (const ParameterSpec& spec : parameter_specs(graph)) {
    if (!spec.name.starts_with(head + ".")) body.push_back(spec.name);
  }
  drop_prefix(file, body);
  rename_head(file, body, head);
}

}  // namespace trifold::nn
