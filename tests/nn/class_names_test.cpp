/// Which lists of classes go together.
#include "nn/class_names.h"

#include <gtest/gtest.h>

namespace trifold::nn {
namespace {

using Names = std::vector<std::string>;

// The difference between the lists has `part` in it, and nothing is found the wrong way about.
void expect_difference(const Names& model, const Names& data, const std::string& part) {
  const std::string difference = class_difference(model, data);
  EXPECT_NE(difference.find(part), std::string::npos) << "'" << difference << "'";
  EXPECT_NE(class_difference(data, model), "");
}

TEST(ClassDifference, IsNoneBetweenEqualNames) {
  EXPECT_EQ(class_difference({"cat", "dog"}, {"cat", "dog"}), "");
  EXPECT_EQ(class_difference({"10", "9", "x"}, {"10", "9", "x"}), "");
}

TEST(ClassDifference, NamesTheFirst) {
  expect_difference({"cat", "dog", "hen"}, {"cat", "hen", "dog"},
                    "class 1 is 'dog' in the model and 'hen' in the data");
  expect_difference({"cat", "dog"}, {"Cat", "dog"}, "class 0 is 'cat' in the model and 'Cat'");
  expect_difference({"cat", "dog"}, {"cat"}, "class 1 of the model is 'dog'");
  expect_difference({"cat"}, {"cat", "dog"}, "class 1 of the data is 'dog'");
}

TEST(ClassDifference, IsNoneWhereASetHasNoNamesOfItsOwn) {
  EXPECT_EQ(class_difference({"0", "1", "2"}, {"0", "1", "2"}), "");
  EXPECT_EQ(class_difference({"0", "1"}, {"cat", "dog"}), "");
  EXPECT_EQ(class_difference({"cat", "dog"}, {"0", "1"}), "");
  EXPECT_EQ(class_difference({"00", "01"}, {"0", "1"}), "");
  EXPECT_EQ(class_difference({}, {"cat", "dog"}), "");
  expect_difference({"0", "1", "2"}, {"cat", "dog"}, "3 classes in the model and 2 in the data");
}

// Folders are sorted as text: "10" comes before "2".
TEST(ClassDifference, ComparesNumbersByTheirPlaces) {
  const Names counted = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"};
  const Names sorted = {"0", "1", "10", "2", "3", "4", "5", "6", "7", "8", "9"};
  expect_difference(counted, sorted, "class 2 is '2' in the model and '10' in the data");
  expect_difference({"0", "1"}, {"1", "2"}, "class 0 is '0' in the model and '1' in the data");
  expect_difference({"cat", "dog"}, {"1", "2"}, "class 0 is 'cat'");
  EXPECT_EQ(class_difference(sorted, sorted), "");
}

}  // namespace
}  // namespace trifold::nn
