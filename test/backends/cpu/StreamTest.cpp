// SPDX-License-Identifier: Apache-2.0
// Results so large that they are stored past the caches: rows of any length, aligned or not, over an input or not.
#include "SpecTesting.h"
#include "backends/cpu/KernelCache.h"

namespace tinyfin::cpu {
namespace {

KernelSpec softmaxOf(int64_t rows, int64_t columns) {
  SpecBuilder b;
  uint32_t x = b.input(DType::F32, {rows, columns});
  uint32_t powers = b.op(OpId::Exp, {b.op(OpId::Sub, {x, b.reduce(OpId::ReduceMax, x, {1}, true)})});
  return b.finish({b.op(OpId::Div, {powers, b.reduce(OpId::Sum, powers, {1}, true)})});
}

KernelSpec activationOf(int64_t count) {
  SpecBuilder b;
  uint32_t x = b.input(DType::F32, {count}), y = b.input(DType::F32, {count});
  return b.finish({b.op(OpId::Add, {b.op(OpId::Tanh, {x}), y})});
}

TEST(StreamedResults, RowsOfAnyLength) {
  expectSame(softmaxOf(420, 30522), Fill::Signed, 2e-5, 1e-9);
  expectSame(softmaxOf(6151, 2048), Fill::Signed, 2e-5, 1e-9);
  expectSame(softmaxOf(197379, 65), Fill::Signed, 2e-5, 1e-9);
}

// The condition in the kernel is tried both ways: `shift` bytes are what the result begins behind an aligned address.
TEST(StreamedResults, LieAnywhere) {
  int64_t count = (13 << 20) + 5;
  KernelSpec spec = activationOf(count);
  std::vector<Tensor> inputs = makeInputs(spec, 7, Fill::Signed), expected = runEager(spec, inputs);
  auto kernels = compileKernels({spec}, 1);
  ASSERT_TRUE(kernels.isOk() && kernels.value()[0].refusal.empty());
  Tensor roomy({DType::F32, {Dim(count + 16)}}), found(spec.values[spec.outputs[0]]);
  for (int64_t shift : {0, 4}) {
    char *result = static_cast<char *>(roomy.data()) + shift;
    void *args[] = {inputs[0].data(), inputs[1].data(), result};
    kernels.value()[0].function(args, nullptr, 0, kernels.value()[0].launch.count());
    std::memcpy(found.data(), result, found.size());
    expectNear(found, expected[0], 1e-6, 1e-6, "shifted by " + std::to_string(shift));
  }
  void *over[] = {inputs[0].data(), inputs[1].data(), inputs[1].data()};
  kernels.value()[0].function(over, nullptr, 0, kernels.value()[0].launch.count());
  expectNear(inputs[1], expected[0], 1e-6, 1e-6, "over an input");
}

// Scores that a mask has put far below the others: exactly 0, as everywhere.
TEST(StreamedResults, ExponentialsOfMaskedScoresAreZero) {
  SpecBuilder b;
  KernelSpec spec = b.finish({b.op(OpId::Exp, {b.input(DType::F32, {9})})});
  std::vector<Tensor> inputs = makeInputs(spec, 1, Fill::Signed);
  const double values[] = {-1e9, -INFINITY, -104.5, -103.0, -88.0, 89.5, INFINITY, NAN, 0};
  for (int i = 0; i < 9; ++i) inputs[0].set(i, values[i]);
  std::vector<Tensor> expected = runEager(spec, inputs), found = runGenerated(spec, inputs);
  expectNear(found[0], expected[0], 1e-6, 2e-45, "exp");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(found[0].at(i), 0);
}

// A divisor that a row shares becomes an inverse; it must not overflow or lose digits where the quotient does not.
TEST(StreamedResults, SharedDivisorsOfAnySize) {
  for (double divisor : {1e-40, 3e-39, 1e-38, 1e-30, 1e30, 1.5e38, 3e38, 0.0, -2.5, double(INFINITY), double(NAN)}) {
    SpecBuilder b;
    uint32_t x = b.input(DType::F32, {20}), y = b.input(DType::F32, {});
    KernelSpec spec = b.finish({b.op(OpId::Div, {x, y})});
    std::vector<Tensor> inputs = makeInputs(spec, 1, Fill::Signed);
    for (int i = 0; i < 20; ++i) inputs[0].set(i, i == 0 ? 0 : std::ldexp(i % 2 ? 1.7 : -1.3, 12 * i - 125));
    inputs[1].set(0, divisor);
    std::vector<Tensor> expected = runEager(spec, inputs), found = runGenerated(spec, inputs);
    expectNear(found[0], expected[0], 5e-7, 1e-44, "divided by " + std::to_string(divisor));
  }
}

} // namespace
} // namespace tinyfin::cpu
