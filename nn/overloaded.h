/// A visitor for std::visit, made of lambdas.
#pragma once

namespace trifold::nn {

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;  // which compilers before Clang 17 don't make by themselves

}  // namespace trifold::nn
