// SPDX-License-Identifier: Apache-2.0
// assert, print, and the text of tensors.
#include "KernelTest.h"
#include "runtime/kernels/PrintTensor.h"

namespace tinyfin::test {
namespace {

Words message(std::string_view text) {
  Words words;
  AttrWriter(words).text(text);
  return words;
}
template <OpName name> Status effect(const KernelTensor &x, std::string_view text) {
  const Words words = message(text);
  TensorArg inputs[] = {x.arg()};
  return Kernel<name>::run({AttrReader(words), inputs, {}, testPool()});
}

TEST(Assert, failsWithItsMessageUnlessAllAreTrue) {
  EXPECT_TRUE(effect<"fin.assert">(KernelTensor::of<bool>({2}, {true, true}), "no").isOk());
  EXPECT_TRUE(effect<"fin.assert">(KernelTensor(DType::Bool, {0}), "no").isOk());
  Status status = effect<"fin.assert">(KernelTensor::of<bool>({2}, {true, false}), "rows must not be empty");
  EXPECT_EQ(status.code(), StatusCode::AssertFailed);
  EXPECT_EQ(status.message(), "rows must not be empty");
}

TEST(Print, writesMessageAndTensor) {
  testing::internal::CaptureStdout();
  ASSERT_TRUE(effect<"fin.print">(KernelTensor::of<float>({2}, {1, 2.5f}), "x =").isOk());
  ASSERT_TRUE(effect<"fin.print">(KernelTensor::of<int64_t>({}, {3}), "").isOk());
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "x = tensor([1.0000, 2.5000])\ntensor(3)\n");
}

std::string text(const KernelTensor &x) { return printTensor(x.arg()); }

TEST(TensorText, isLaidOutAsPyTorchs) {
  EXPECT_EQ(text(KernelTensor::of<float>({}, {2})), "tensor(2.)");
  EXPECT_EQ(text(KernelTensor::of<float>({2, 2}, {1, -2, 3, 4})), "tensor([[ 1., -2.],\n        [ 3.,  4.]])");
  EXPECT_EQ(text(KernelTensor::of<int64_t>({3}, {1, 20, 3})), "tensor([ 1, 20,  3])");
  EXPECT_EQ(text(KernelTensor::of<bool>({2}, {true, false})), "tensor([ True, False])");
  EXPECT_EQ(text(KernelTensor::of<float>({3}, {1, 10000, 0.5f})), "tensor([1.0000e+00, 1.0000e+04, 5.0000e-01])");
  EXPECT_EQ(text(KernelTensor::of<float>({3}, {NAN, 1, INFINITY})), "tensor([nan, 1., inf])");
  EXPECT_EQ(text(KernelTensor::of<double>({1}, {0.25})), "tensor([0.2500], dtype=float64)");
  EXPECT_EQ(text(KernelTensor(DType::F32, {0})), "tensor([])");
  EXPECT_EQ(text(KernelTensor(DType::I32, {0, 2})), "tensor([], size=(0, 2), dtype=int32)");
  EXPECT_EQ(text(KernelTensor::of<int64_t>({2, 1, 2}, {1, 2, 3, 4})), "tensor([[[1, 2]],\n\n        [[3, 4]]])");
}
TEST(TensorText, elidesLargeTensors) {
  KernelTensor x = KernelTensor::from(DType::I64, {2000}, [](int64_t i) { return i; });
  EXPECT_EQ(text(x), "tensor([   0,    1,    2, ..., 1997, 1998, 1999])");
  EXPECT_EQ(
      text(KernelTensor::from(DType::U8, {1000, 1000}, [](int64_t) { return 7; })).size(),
      std::string(
          "tensor([[7, 7, 7, ..., 7, 7, 7],\n        [7, 7, 7, ..., 7, 7, 7],\n        [7, 7, 7, ..., 7, 7, 7],\n      "
          "  "
          "...,\n        [7, 7, 7, ..., 7, 7, 7],\n        [7, 7, 7, ..., 7, 7, 7],\n        [7, 7, 7, ..., 7, 7, 7]], "
          "dtype=uint8)")
          .size());
}
TEST(TensorText, breaksLongRows) {
  KernelTensor x = KernelTensor::from(DType::I64, {30}, [](int64_t) { return 100; });
  const std::string shown = text(x);
  EXPECT_NE(shown.find(",\n        100"), std::string::npos) << shown;
}

} // namespace
} // namespace tinyfin::test
