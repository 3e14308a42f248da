/// Whether two lists of classes mean the same by each number.
#pragma once

#include <string>
#include <vector>

namespace trifold::nn {

/// Whether a list counts "0", "1", ...: it stands for a set without names of its own, as IDX files
/// are.
bool counts_up(const std::vector<std::string>& names);

/// The first difference between a model's classes and those of a data set, as the rest of a
/// sentence ("class 1 is 'cat' in the model and 'dog' in the data"); empty where there is none.
/// Numbers are compared by value. A list that counts up goes with as many names of any kind, but not
/// with numbers in another order. An empty list goes with everything.
std::string class_difference(const std::vector<std::string>& model,
                             const std::vector<std::string>& data);

}  // namespace trifold::nn
