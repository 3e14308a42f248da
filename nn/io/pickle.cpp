#include "nn/io/pickle.h"

#include <map>

#include "kernels/runtime/error.h"

namespace trifold::nn {
namespace {

using Kind = Pickled::Kind;

constexpr std::size_t most_values = 1'000'000;

class Unpickler {
 public:
  Unpickler(std::string_view bytes, const std::set<std::string>& globals, const std::string& where)
      : bytes_(bytes), globals_(globals), where_(where) {}

  PickledObject run() {
    while (!step()) {
    }
    object_.root = pop();
    return std::move(object_);
  }

 private:
  [[noreturn]] void refuse(const std::string& why) const {
    throw FileError(fmt::format("{}: {}", where_, why));
  }
  void need(bool condition, const char* why) const {
    if (!condition) refuse(fmt::format("the pickle is damaged at byte {}: {}", at_, why));
  }

  std::string_view take(std::size_t count) {
    need(count <= bytes_.size() - at_, "it ends too early");
    at_ += count;
    return bytes_.substr(at_ - count, count);
  }
  // Little-endian, of at most 8 bytes, without a sign.
  std::uint64_t number(std::size_t count) {
    std::uint64_t value = 0;
    const std::string_view digits = take(count);
    for (std::size_t i = count; i > 0; --i) {
      value = value << 8 | static_cast<std::uint8_t>(digits[i - 1]);
    }
    return value;
  }
  // Of two's complement.
  std::int64_t signed_number(std::size_t count) {
    const std::uint64_t value = number(count);
    if (count == 0 || count == 8) return static_cast<std::int64_t>(value);
    const std::uint64_t sign = std::uint64_t{1} << (8 * count - 1);
    return static_cast<std::int64_t>(value ^ sign) - static_cast<std::int64_t>(sign);
  }
  std::string line() {
    const std::size_t end = bytes_.find('\n', at_);
    need(end != std::string_view::npos, "it ends too early");
    std::string text(take(end - at_));
    ++at_;
    return text;
  }

  Pickled* push(Pickled value) {
    need(object_.values.size() < most_values, "it holds more than a million values");
    object_.values.push_back(std::move(value));
    stack_.push_back(&object_.values.back());
    return stack_.back();
  }
  Pickled* pop() {
    need(stack_.size() > (marks_.empty() ? 0 : marks_.back()), "it takes what is not there");
    Pickled* value = stack_.back();
    stack_.pop_back();
    return value;
  }
  Pickled* top() {
    Pickled* value = pop();
    stack_.push_back(value);
    return value;
  }
  std::vector<const Pickled*> since_mark() {
    need(!marks_.empty(), "it takes what is not there");
    const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<const Pickled*> values(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    marks_.pop_back();
    return values;
  }

  void push_sequence(std::vector<const Pickled*> items) {
    push({.kind = Kind::sequence, .items = std::move(items)});
  }
  void push_tuple(std::size_t count) {
    std::vector<const Pickled*> items(count);
    for (std::size_t i = count; i > 0; --i) items[i - 1] = pop();
    push_sequence(std::move(items));
  }
  void push_global(const std::string& name) {
    if (!globals_.contains(name)) {
      refuse(
          fmt::format("it holds a {}, but only tensors can be taken from such a file; save "
                      "model.state_dict() alone",
                      name));
    }
    push({.kind = Kind::global, .text = name});
  }
  void memoize(std::uint64_t key) { memo_[key] = top(); }
  void recall(std::uint64_t key) {
    const auto found = memo_.find(key);
    need(found != memo_.end(), "it recalls what it has not kept");
    stack_.push_back(found->second);
  }

  void append(const std::vector<const Pickled*>& values) {
    Pickled* list = top();
    need(list->kind == Kind::sequence, "it appends to what is no list");
    list->items.insert(list->items.end(), values.begin(), values.end());
  }
  void set_items(const std::vector<const Pickled*>& values) {
    Pickled* dictionary = top();
    need(dictionary->kind == Kind::dictionary && values.size() % 2 == 0,
         "it sets items of what is no dictionary");
    for (std::size_t i = 0; i < values.size(); i += 2) {
      dictionary->entries.emplace_back(values[i], values[i + 1]);
    }
  }
  void reduce() {
    const Pickled* arguments = pop();
    const Pickled* function = pop();
    need(function->kind == Kind::global && arguments->kind == Kind::sequence,
         "it calls what is no function");
    if (function->text == "collections.OrderedDict") {
      need(arguments->items.empty(), "an OrderedDict is made of something");
      push({.kind = Kind::dictionary});
    } else {
      push({.kind = Kind::call, .text = function->text, .argument = arguments});
    }
  }

  // Whether the pickle ends there.
  bool step() {
    const auto opcode = static_cast<std::uint8_t>(take(1).front());
    switch (opcode) {
      case 0x80:
        need(number(1) <= 5, "its protocol is unknown");
        break;
      case 0x95:
        take(8);
        break;  // FRAME
      case '.':
        return true;
      case '(':
        marks_.push_back(stack_.size());
        break;
      case 'N':
        push({});
        break;
      case 0x88:
        push({.kind = Kind::integer, .integer = 1});
        break;
      case 0x89:
        push({.kind = Kind::integer});
        break;
      case 'J':
        push({.kind = Kind::integer, .integer = signed_number(4)});
        break;
      case 'K':
        push({.kind = Kind::integer, .integer = whole(1)});
        break;
      case 'M':
        push({.kind = Kind::integer, .integer = whole(2)});
        break;
      case 0x8a: {  // LONG1
        const std::uint64_t bytes = number(1);
        need(bytes <= 8, "a number has more than 64 bits");
        push({.kind = Kind::integer, .integer = signed_number(bytes)});
        break;
      }
      case 'G':
        take(8), push({.kind = Kind::number});
        break;
      case 'X':
        push_text(number(4));
        break;
      case 0x8c:
        push_text(number(1));
        break;
      case 'c': {
        const std::string module = line();
        push_global(module + "." + line());
        break;
      }
      case 0x93: {  // STACK_GLOBAL
        const Pickled* name = pop();
        const Pickled* module = pop();
        need(name->kind == Kind::text && module->kind == Kind::text, "a global has no name");
        push_global(module->text + "." + name->text);
        break;
      }
      case ')':
      case ']':
        push_sequence({});
        break;
      case 0x85:
        push_tuple(1);
        break;
      case 0x86:
        push_tuple(2);
        break;
      case 0x87:
        push_tuple(3);
        break;
      case 't':
        push_sequence(since_mark());
        break;
      case 'a': {
        const Pickled* value = pop();
        append({value});
        break;
      }
      case 'e':
        append(since_mark());
        break;
      case '}':
        push({.kind = Kind::dictionary});
        break;
      case 's': {
        const Pickled* value = pop();
        const Pickled* key = pop();
        set_items({key, value});
        break;
      }
      case 'u':
        set_items(since_mark());
        break;
      case 'q':
        memoize(number(1));
        break;
      case 'r':
        memoize(number(4));
        break;
      case 0x94:
        memoize(memo_.size());
        break;
      case 'h':
        recall(number(1));
        break;
      case 'j':
        recall(number(4));
        break;
      case 'Q': {
        const Pickled* id = pop();
        push({.kind = Kind::persistent, .argument = id});
        break;
      }
      case 'R':
        reduce();
        break;
      case 'b':
        pop(), top();
        break;  // BUILD
      default:
        refuse(
            fmt::format("the pickle has the opcode 0x{:02x} at byte {}, which files of tensors "
                        "do not need",
                        opcode, at_ - 1));
    }
    return false;
  }

  std::int64_t whole(std::size_t bytes) { return static_cast<std::int64_t>(number(bytes)); }
  void push_text(std::uint64_t size) {
    push({.kind = Kind::text, .text = std::string(take(size))});
  }

  std::string_view bytes_;
  const std::set<std::string>& globals_;
  const std::string& where_;
  std::size_t at_ = 0;
  PickledObject object_;
  std::vector<Pickled*> stack_;
  std::vector<std::size_t> marks_;  // sizes of the stack
  std::map<std::uint64_t, Pickled*> memo_;
};

}  // namespace

PickledObject unpickle(std::string_view bytes, const std::set<std::string>& globals,
                       const std::string& where) {
  return Unpickler(bytes, globals, where).run();
}

}  // namespace trifold::nn
