// SPDX-License-Identifier: Apache-2.0
// Products that elementwise ops finish: in the generated product's own tiles, and in the tiles of a plan.
#include "SpecTesting.h"
#include "backends/cpu/KernelCache.h"
#include "runtime/kernels/matmul/Matmul.h"

namespace tinyfin::cpu {
namespace {

struct Case {
  std::vector<int64_t> lhs, rhs;
  bool transposeLhs = false, transposeRhs = false;
};

std::vector<int64_t> stored(std::vector<int64_t> dims, bool transposed) {
  if (transposed) std::swap(dims[dims.size() - 1], dims[dims.size() - 2]);
  return dims;
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const Case &c : {Case{{1, 7}, {7, 5}}, {{6, 64}, {64, 64}}, {{13, 31}, {31, 130}}, {{2, 5, 9}, {9, 33}}, {{3, 4, 8}, {3, 8, 20}},
                        {{2, 1, 4, 8}, {3, 8, 5}}, {{130, 70}, {70, 100}}, {{4, 9}, {9, 1}}})
    for (bool left : {false, true})
      for (bool right : {false, true}) all.push_back({c.lhs, c.rhs, left, right});
  return all;
}

/// gelu-like work on product + bias, plus a residual, a scale a row and a scalar; the sum with the bias is a result too.
KernelSpec finished(const Case &c, DType dtype, uint32_t *residualInput = nullptr) {
  SpecBuilder b;
  uint32_t x = b.input(dtype, stored(c.lhs, c.transposeLhs)), y = b.input(dtype, stored(c.rhs, c.transposeRhs));
  std::vector<int64_t> dims(std::max(c.lhs.size(), c.rhs.size()));
  for (size_t axis = 0; axis < dims.size(); ++axis) {
    auto at = [&](const std::vector<int64_t> &from) { return axis + from.size() < dims.size() ? 1 : from[axis + from.size() - dims.size()]; };
    dims[axis] = axis + 1 == dims.size() ? c.rhs.back() : axis + 2 == dims.size() ? c.lhs[c.lhs.size() - 2] : std::max(at(c.lhs), at(c.rhs));
  }
  std::vector<int64_t> perRow = dims;
  perRow.back() = 1;
  uint32_t bias = b.input(dtype, {dims.back()}), residual = b.input(dtype, dims), scale = b.input(dtype, perRow), factor = b.input(dtype, {});
  if (residualInput) *residualInput = residual;
  uint32_t product = b.op(OpId::Matmul, {x, y}, {c.transposeLhs, c.transposeRhs});
  uint32_t sum = b.op(OpId::Add, {product, bias});
  uint32_t activated = b.op(OpId::Mul, {b.op(OpId::Tanh, {sum}), scale});
  uint32_t result = b.op(OpId::Add, {residual, b.op(OpId::Mul, {activated, factor})});
  return b.finish({result, sum});
}

/// By a plan whose tiles the generated epilogue finishes; `over` names inputs that outputs 0, 1, ... lie over.
std::vector<Tensor> runTiled(const KernelSpec &spec, std::vector<Tensor> &inputs, std::vector<uint32_t> over = {}) {
  const KernelOp &product = spec.ops[contractionOf(spec)];
  llvm::SmallVector<uint32_t> used;
  StatusOr<std::vector<CompiledKernel>> code = compileKernels({epilogueOf(spec, used)}, 1);
  EXPECT_TRUE(code.isOk() && code.value()[0].refusal.empty());
  Tensor &lhs = inputs[product.operands[0]], &rhs = inputs[product.operands[1]];
  auto matmul = MatmulSpec::from(lhs.type.dtype, lhs.dims, rhs.dims, product.attrs[0], product.attrs[1]);
  auto plan = MatmulPlan::create(matmul.value());
  EXPECT_TRUE(plan.isOk());
  std::vector<Tensor> outputs;
  std::vector<void *> args{nullptr};
  for (uint32_t input : used) args.push_back(inputs[input].data());
  for (uint32_t output : spec.outputs) outputs.emplace_back(spec.values[output]);
  for (size_t i = 0; i < outputs.size(); ++i) args.push_back(i < over.size() ? inputs[over[i]].data() : outputs[i].data());
  TileConsumer finish{code.value()[0].function, args.data(), static_cast<int>(args.size())};
  EXPECT_TRUE(plan.value().execute(lhs.data(), rhs.data(), ThreadPool::process(), finish).isOk());
  return outputs;
}

TEST(Epilogue, GeneratedProductsAreFinishedInTheirKernel) {
  for (const Case &c : cases())
    for (DType dtype : {DType::F32, DType::BF16})
      expectSame(finished(c, dtype), Fill::Unit, dtype == DType::F32 ? 1e-5 : 3e-2, dtype == DType::F32 ? 1e-5 : 3e-2);
}

TEST(Epilogue, PlannedProductsAreFinishedTileByTile) {
  for (const Case &c : cases())
    for (DType dtype : {DType::F32, DType::BF16}) {
      KernelSpec spec = finished(c, dtype);
      std::vector<Tensor> inputs = makeInputs(spec, 3, Fill::Unit), expected = runEager(spec, inputs), found = runTiled(spec, inputs);
      double tolerance = dtype == DType::F32 ? 1e-5 : 3e-2;
      for (size_t i = 0; i < found.size(); ++i) {
        expectNear(found[i], expected[i], tolerance, tolerance, spec.summary());
        EXPECT_TRUE(found[i].guardsAreIntact());
      }
    }
}

// Also where the last block of rows holds rows of the one before to be full.
TEST(Epilogue, AResultMayLieOverWhatIsReadAtItsIndex) {
  for (const Case &c : {Case{{13, 31}, {31, 130}}, Case{{130, 70}, {70, 100}}, Case{{3, 4, 8}, {3, 8, 20}}}) {
    uint32_t residual = 0;
    KernelSpec spec = finished(c, DType::F32, &residual);
    std::vector<Tensor> inputs = makeInputs(spec, 5, Fill::Unit), expected = runEager(spec, inputs);
    std::vector<Tensor> tiled = inputs;
    runTiled(spec, tiled, {residual});
    expectNear(tiled[residual], expected[0], 1e-5, 1e-5, "tiled");
    StatusOr<std::vector<CompiledKernel>> code = compileKernels({spec}, 1);
    ASSERT_TRUE(code.isOk() && code.value()[0].refusal.empty());
    std::vector<void *> args;
    for (Tensor &input : inputs) args.push_back(input.data());
    args.push_back(inputs[residual].data());
    args.push_back(expected[1].data());
    for (int64_t i = 0; i < code.value()[0].launch.count(); ++i) code.value()[0].function(args.data(), nullptr, i, i + 1);
    expectNear(inputs[residual], expected[0], 1e-5, 1e-5, "generated");
  }
}

// A key that forgot what a kernel is for would give one the other's code.
TEST(Epilogue, TheKeyTellsAnEpilogueFromAMap) {
  KernelSpec spec = finished({{6, 64}, {64, 64}}, DType::F32);
  llvm::SmallVector<uint32_t> used;
  KernelSpec epilogue = epilogueOf(spec, used), map = epilogue;
  map.isEpilogue = false;
  EXPECT_NE(epilogue.key(), map.key());
  EXPECT_EQ(used.size(), 4u);
  EXPECT_EQ(epilogue.numInputs, 5u);
}

} // namespace
} // namespace tinyfin::cpu
