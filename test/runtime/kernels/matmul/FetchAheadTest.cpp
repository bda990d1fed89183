// SPDX-License-Identifier: Apache-2.0
// What is fetched into the second cache ahead of its use, and that nothing is where the switch is off.
#include "test/runtime/kernels/TestTensor.h"
#include "runtime/Config.h"
#include "runtime/kernels/attention/AttentionBlocks.h"

namespace tinyfin::test {
namespace {

struct Disabled {
  explicit Disabled(const char *name) { EXPECT_TRUE(Config::process().set("DISABLE", name).isOk()); }
  ~Disabled() { EXPECT_TRUE(Config::process().set("DISABLE", before).isOk()); }
  std::string before = config::disable();
};

std::vector<char> memory(4096);

gemm::AheadLines fourRows() { return gemm::AheadLines(memory.data(), 4, 256, 1024).during(8 * 16); }

attention::NextHead twoRows() {
  attention::NextHead next;
  next.add(memory.data(), 2, 64, 128);
  next.shareOut(1);
  return next;
}

} // namespace

TEST(FetchAhead, LinesOfProductsUnlessSwitchedOff) {
  EXPECT_EQ(fourRows().count, 4);
  EXPECT_EQ(fourRows().rate, 1); // 16 lines in 16 turns
  gemm::AheadLines lines = fourRows();
  for (int line = 0; line < 16; ++line) lines.fetch();
  EXPECT_EQ(lines.count, 0) << "all have been fetched";
  Disabled off("fetch-ahead");
  EXPECT_EQ(fourRows().count, 0);
  EXPECT_EQ(fourRows().rate, 0);
}

TEST(FetchAhead, RowsOfTheNextHeadUnlessSwitchedOff) {
  EXPECT_EQ(twoRows().rowsACall(), 2);
  {
    Disabled other("winograd");
    EXPECT_EQ(twoRows().rowsACall(), 2);
  }
  Disabled off("winograd,fetch-ahead");
  EXPECT_EQ(twoRows().rowsACall(), 0);
}

TEST(FetchAhead, ChangesNoResult) {
  TestTensor lhs = TestTensor::random(DType::F32, {160, 200}, 1), rhs = TestTensor::random(DType::F32, {200, 96}, 2);
  auto product = [&] {
    TestTensor result(DType::F32, {160, 96});
    EXPECT_TRUE(runKernel<"fin.matmul">(Attributes().flag(false).flag(false), {&lhs, &rhs}, {&result}).isOk());
    return result;
  };
  TestTensor fetched = product();
  Disabled off("fetch-ahead");
  EXPECT_EQ(product(), fetched);
}

} // namespace tinyfin::test
