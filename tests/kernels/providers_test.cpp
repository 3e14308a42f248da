#include "kernels/cuda/providers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/runtime/error.h"

namespace trifold::kernels::cuda {
namespace {

using ::testing::HasSubstr;

std::string config_error(std::string_view names) {
  try {
    parse_providers(names);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST(Providers, AreNoneUnlessNamed) {
  EXPECT_FALSE(parse_providers("").cublas);
  EXPECT_FALSE(parse_providers("").cudnn);
}

TEST(Providers, HaveToBeKnown) {
  EXPECT_THAT(config_error("mkl"), HasSubstr("'mkl'; it takes cublas, cudnn or both"));
  EXPECT_THAT(config_error("cublas "), HasSubstr("'cublas '"));
  EXPECT_THAT(config_error(","), HasSubstr("''"));
}

/// Either the build has a library, or it says that it hasn't.
TEST(Providers, HaveToBeBuiltIn) {
#if TRIFOLD_WITH_CUBLAS
  EXPECT_TRUE(parse_providers("cublas").cublas);
  EXPECT_FALSE(parse_providers("cublas").cudnn);
#else
  EXPECT_THAT(config_error("cublas"), HasSubstr("names cublas, which this build doesn't have"));
#endif
#if TRIFOLD_WITH_CUDNN
  EXPECT_TRUE(parse_providers("cudnn").cudnn);
  EXPECT_FALSE(parse_providers("cudnn").cublas);
#else
  EXPECT_THAT(config_error("cudnn"), HasSubstr("names cudnn, which this build doesn't have"));
#endif
}

}  // namespace
}  // namespace trifold::kernels::cuda
