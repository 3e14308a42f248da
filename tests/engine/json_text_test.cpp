/// JSON from files: what is too deep or none is refused with the place.
#include "engine/json_text.h"

#include <gtest/gtest.h>

#include "kernels/runtime/error_types.h"

namespace trifold::engine {
namespace {

void expect_refused(const std::string& text, const std::string& part) {
  try {
    parse_json(text, "model: the entry 'x'");
    ADD_FAILURE() << "not refused: " << part;
  } catch (const FileError& e) {
    const std::string what = e.what();
    EXPECT_TRUE(what.starts_with("model: the entry 'x': ")) << what;
    EXPECT_NE(what.find(part), std::string::npos) << what;
    EXPECT_EQ(what.find("json.exception"), std::string::npos) << what;
  }
}

std::string nested(const std::string& open, const std::string& close, int depth) {
  std::string text;
  for (int i = 0; i < depth; ++i) text += open;
  text += "1";
  for (int i = 0; i < depth; ++i) text += close;
  return text;
}

TEST(JsonText, IsParsedToADepth) {
  EXPECT_EQ(parse_json("{\"a\": [1, {\"b\": null}]}", "").dump(), "{\"a\":[1,{\"b\":null}]}");
  EXPECT_EQ(parse_json("3", ""), 3);
  for (const auto& [open, close] :
       {std::pair("[", "]"), std::pair("{\"a\":", "}"), std::pair("[{\"a\":", "}]")}) {
    const int levels = open[0] == '[' && open[1] != '\0' ? 2 : 1;
    EXPECT_NO_THROW(parse_json(nested(open, close, max_json_depth / levels), ""));
    for (const int depth : {max_json_depth / levels + 1, 1'000'000}) {
      expect_refused(nested(open, close, depth), "nests more than 64");
    }
  }
  expect_refused(std::string(1'000'000, '['), "nests more than 64");  // though it never ends
  expect_refused(std::string(max_json_bytes + 1, ' '), "more than 67108864");
}

TEST(JsonText, ThatIsNoneNamesItsByte) {
  expect_refused("", "byte 1");
  expect_refused("{\"a\": 1", "not JSON at its byte");
  expect_refused("[1, 2] 3", "byte 8");
  expect_refused("\"\xff\"", "not JSON");
  expect_refused("1e999", "number overflow");
}

TEST(JsonText, ProblemsAreParts) {
  const nlohmann::json object = {{"a", 1}};
  try {
    (void)object.at("b");
    FAIL();
  } catch (const nlohmann::json::exception& e) {
    EXPECT_EQ(problem(e), "key 'b' not found");
  }
}

TEST(JsonText, FilesThatCannotBeReadAreNamed) {
  for (const char* path : {"/no/such/file", "/"}) {
    try {
      read_json(path);
      ADD_FAILURE() << path;
    } catch (const FileError& e) {
      EXPECT_TRUE(std::string(e.what()).starts_with(path)) << e.what();
    }
  }
}

}  // namespace
}  // namespace trifold::engine
