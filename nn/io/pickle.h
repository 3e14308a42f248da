/// Python's pickles, as far as files of tensors need them. Nothing is ever called or imported: what a
/// pickle would build by calling a function is kept as the function's name and its arguments.
#pragma once

#include <cstdint>
#include <deque>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace trifold::nn {

struct Pickled {
  enum class Kind {
    none,
    integer,  ///< True and False are 1 and 0
    number,   ///< whose value nobody needs
    text,
    sequence,    ///< a tuple or a list, by `items`
    dictionary,  ///< by `entries`, in the order of their making; an OrderedDict, too
    global,      ///< a function or a class, by its name `text`
    call,        ///< what the function `text` makes of the sequence `argument`
    persistent,  ///< what lies outside of the pickle, by its name `argument`
  };
  Kind kind = Kind::none;
  std::int64_t integer = 0;
  std::string text = {};
  const Pickled* argument = nullptr;
  std::vector<const Pickled*> items = {};
  std::vector<std::pair<const Pickled*, const Pickled*>> entries = {};
};

/// A pickle's object and all that it is made of. Values may be parts of several others, and of
/// themselves.
struct PickledObject {
  std::deque<Pickled> values;
  const Pickled* root = nullptr;
};

/// Reads a pickle of protocol 2 to 5. Of functions and classes it may name `globals` alone, such as
/// "torch.FloatStorage"; state that it sets on an object afterwards is passed over.
/// Errors    FileError, which begins with `where`: another global, which is named; an opcode that
///           such files have no use for; damage; more than a million values.
/// Source    CPython's Lib/pickletools.py.
PickledObject unpickle(std::string_view bytes, const std::set<std::string>& globals,
                       const std::string& where);

}  // namespace trifold::nn
