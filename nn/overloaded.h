/// A visitor for std::visit, made of lambdas.
#pragma once

namespace trifold::nn {

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};

}  // namespace trifold::nn
