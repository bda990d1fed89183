// SPDX-License-Identifier: Apache-2.0
// Generated reductions and normalizations give what the eager kernels give, over axes, shapes and dtypes.
#include "backends/cpu/Split.h"
#include "SpecTesting.h"
#include "backends/cpu/Domain.h"
#include "backends/cpu/Emit.h"

namespace tinyfin::cpu {
namespace {

struct Case {
  std::vector<int64_t> shape, axes;
};
const std::vector<Case> kCases = {
    {{7}, {0}},          {{1000}, {0}},          {{5, 7}, {1}},        {{5, 7}, {0}},           {{5, 7}, {0, 1}},
    {{33, 129}, {1}},    {{33, 129}, {0}},       {{64, 256}, {1}},     {{64, 256}, {0}},        {{3, 5, 70}, {0, 2}},
    {{3, 5, 70}, {1}},   {{3, 5, 70}, {0, 1}},   {{3, 5, 70}, {1, 2}}, {{2, 3, 4, 5}, {0, 2, 3}}, {{2, 3, 4, 20}, {1, 3}},
    {{4, 1, 9}, {1}},    {{1, 1}, {0, 1}},       {{17, 10}, {0}},      {{6, 2048}, {1}},        {{2, 3, 4, 16}, {0, 2}}};

TEST(Reduction, AllOpsAxesAndShapes) {
  for (OpId id : {OpId::Sum, OpId::Mean, OpId::ReduceMax, OpId::ReduceMin})
    for (const Case &c : kCases)
      for (bool keepdims : {false, true}) {
        SpecBuilder b;
        uint32_t x = b.input(DType::F32, c.shape);
        expectSame(b.finish({b.reduce(id, b.op(OpId::Square, {x}), c.axes, keepdims)}), Fill::Signed, 1e-5, 1e-6);
      }
}

TEST(Reduction, DTypes) {
  for (DType dtype : {DType::F64, DType::BF16, DType::F16, DType::I64, DType::I32, DType::I8, DType::U8})
    for (OpId id : {OpId::Sum, OpId::Mean, OpId::ReduceMax, OpId::ReduceMin})
      for (const Case &c : {Case{{9, 37}, {1}}, {{9, 37}, {0}}}) {
        if (id == OpId::Mean && !isFloat(dtype)) continue;
        SpecBuilder b;
        uint32_t x = b.input(dtype, c.shape);
        double tolerance = dtype == DType::BF16 ? 1e-2 : dtype == DType::F16 ? 1e-3 : 1e-12;
        expectSame(b.finish({b.reduce(id, x, c.axes, false)}), Fill::Signed, tolerance, tolerance);
      }
}

TEST(Reduction, NaNAndInfinitiesComeThrough) {
  for (OpId id : {OpId::Sum, OpId::ReduceMax, OpId::ReduceMin})
    for (int64_t axis : {0, 1})
      for (uint64_t seed : {1, 2, 3}) {
        SpecBuilder b;
        uint32_t x = b.input(DType::F32, {19, 21});
        std::vector<Tensor> inputs = makeInputs(b.spec, seed, Fill::Signed);
        inputs[0].set(seed * 50, seed == 1 ? NAN : INFINITY);
        inputs[0].set(333, -INFINITY);
        KernelSpec spec = b.finish({b.reduce(id, x, {axis}, false)});
        expectNear(runGenerated(spec, inputs)[0], runEager(spec, inputs)[0], 1e-5, 1e-6, spec.summary());
      }
}

/// sum(select(iota == label, from, 0)), with labels that are out of range as well.
TEST(Reduction, ElementAtALabel) {
  for (DType dtype : {DType::F32, DType::BF16, DType::F64})
    for (int64_t columns : {1, 5, 16, 333}) {
      SpecBuilder b;
      uint32_t x = b.input(dtype, {7, columns}), label = b.input(DType::I64, {7, 1});
      Words counted;
      AttrWriter(counted).list(std::vector<int64_t>{1, columns}).integer(1).dtype(DType::I64);
      uint32_t isThere = b.op(OpId::Eq, {b.op(OpId::Iota, {}, counted), label});
      uint32_t from = b.op(OpId::Sub, {x, b.reduce(OpId::ReduceMax, x, {1}, true)});
      uint32_t only = b.op(OpId::Select, {isThere, from, b.constant(dtype, 0)});
      KernelSpec spec = b.finish({b.reduce(OpId::Sum, only, {1}, true)});
      std::vector<Tensor> inputs = makeInputs(spec, 3, Fill::Signed);
      for (int64_t row = 0; row < 7; ++row) inputs[1].set(row, row == 5 ? -1 : row == 6 ? columns : row * 67 % columns);
      expectNear(runGenerated(spec, inputs)[0], runEager(spec, inputs)[0], 1e-6, 1e-6, spec.summary());
    }
}

/// A row's maximum and the sum of exp(x - maximum), which one loop makes of long rows.
TEST(Reduction, SumsOfExponentialsOfLongRows) {
  for (int64_t columns : {2048, 2051, 5000, 30522})
    for (DType dtype : {DType::F32, DType::BF16}) {
      SpecBuilder b;
      uint32_t x = b.input(dtype, {9, columns}), wide = dtype == DType::F32 ? x : b.op(OpId::Cast, {x}, {int64_t(DType::F32)});
      uint32_t top = b.reduce(OpId::ReduceMax, wide, {1}, true);
      uint32_t sum = b.reduce(OpId::Sum, b.op(OpId::Exp, {b.op(OpId::Sub, {wide, top})}), {1}, true);
      KernelSpec spec = b.finish({top, sum});
      std::vector<Tensor> inputs = makeInputs(spec, columns, Fill::Signed);
      for (int64_t column = 0; column < columns; ++column) {
        inputs[0].set(columns + column, column * 0.05 - 50);      // grows: rescaled again and again
        inputs[0].set(2 * columns + column, -column * 0.05);      // never
        inputs[0].set(3 * columns + column, -INFINITY);           // nothing to see
        inputs[0].set(4 * columns + column, column < 1000 ? -INFINITY : 3);
      }
      inputs[0].set(5 * columns + 1234, NAN);
      inputs[0].set(6 * columns + 77, INFINITY);
      inputs[0].set(7 * columns + 2000, INFINITY), inputs[0].set(7 * columns + 30, NAN);
      inputs[0].set(8 * columns + columns - 1, 1e4);
      std::vector<Tensor> found = runGenerated(spec, inputs), expected = runEager(spec, inputs);
      expectNear(found[0], expected[0], 0, 0, "maxima");
      expectNear(found[1], expected[1], 1e-5, 1e-6, "sums");
    }
}

TEST(Reduction, KeptAndFullResultsTogether) { // a bias gradient beside the activation's
  for (const Case &c : kCases) {
    SpecBuilder b;
    uint32_t dy = b.input(DType::F32, c.shape), x = b.input(DType::F32, c.shape);
    uint32_t zero = b.constant(DType::F32, 0);
    uint32_t mask = b.op(OpId::Cast, {b.op(OpId::Gt, {x, zero})}, {int64_t(DType::F32)});
    uint32_t dx = b.op(OpId::Mul, {dy, mask});
    uint32_t sum = b.reduce(OpId::Sum, dx, c.axes, false);
    expectSame(b.finish({dx, b.op(OpId::Exp, {b.op(OpId::Neg, {b.op(OpId::Abs, {sum})})}), sum}));
  }
}

uint32_t softmax(SpecBuilder &b, uint32_t x, std::vector<int64_t> axes) {
  uint32_t shifted = b.op(OpId::Sub, {x, b.reduce(OpId::ReduceMax, x, axes, true)});
  uint32_t e = b.op(OpId::Exp, {shifted});
  return b.op(OpId::Div, {e, b.reduce(OpId::Sum, e, axes, true)});
}

TEST(Normalization, Softmax) {
  for (const Case &c : kCases) {
    SpecBuilder b;
    uint32_t x = b.input(DType::F32, c.shape);
    expectSame(b.finish({softmax(b, x, c.axes)}), Fill::Signed, 1e-5, 1e-7);
  }
}

TEST(Normalization, LayerNorm) {
  for (const Case &c : {Case{{8, 64}, {1}}, {{3, 5, 37}, {2}}, {{4, 6, 10}, {1, 2}}, {{2, 768}, {1}}}) {
    SpecBuilder b;
    std::vector<int64_t> tail(c.shape.begin() + c.axes[0], c.shape.end());
    uint32_t x = b.input(DType::F32, c.shape), weight = b.input(DType::F32, tail), bias = b.input(DType::F32, tail);
    uint32_t mean = b.reduce(OpId::Mean, x, c.axes, true), centred = b.op(OpId::Sub, {x, mean});
    uint32_t variance = b.reduce(OpId::Mean, b.op(OpId::Square, {centred}), c.axes, true);
    uint32_t rstd = b.op(OpId::Rsqrt, {b.op(OpId::Add, {variance, b.constant(DType::F32, 1e-5)})});
    uint32_t y = b.op(OpId::Add, {b.op(OpId::Mul, {b.op(OpId::Mul, {centred, rstd}), weight}), bias});
    expectSame(b.finish({y, mean, rstd}), Fill::Signed, 2e-5, 1e-5);
  }
}

TEST(Normalization, BatchNormOverAKeptMiddleAxis) {
  for (std::vector<int64_t> shape : {std::vector<int64_t>{4, 3, 5, 7}, {2, 16, 8, 8}, {6, 17, 1, 1}}) {
    SpecBuilder b;
    int64_t channels = shape[1];
    uint32_t x = b.input(DType::F32, shape), weight = b.input(DType::F32, {1, channels, 1, 1});
    uint32_t mean = b.reduce(OpId::Mean, x, {0, 2, 3}, true), centred = b.op(OpId::Sub, {x, mean});
    uint32_t variance = b.reduce(OpId::Mean, b.op(OpId::Square, {centred}), {0, 2, 3}, true);
    uint32_t rstd = b.op(OpId::Rsqrt, {b.op(OpId::Add, {variance, b.constant(DType::F32, 1e-5)})});
    uint32_t flat = b.op(OpId::Reshape, {mean}, listWords({channels}));
    expectSame(b.finish({b.op(OpId::Mul, {b.op(OpId::Mul, {centred, rstd}), weight}), flat}), Fill::Signed, 2e-5, 1e-5);
  }
}

/// Sums of what is dear to compute, whose columns are walked in another way.
TEST(Reduction, ColumnsOfDearValues) {
  const std::vector<Case> cases = {{{5, 7}, {0}}, {{9, 16}, {0}}, {{33, 1029}, {0}}, {{12, 513}, {0}}, {{2, 3, 530}, {0, 1}}, {{3, 5, 40}, {1}}, {{2, 3, 4, 20}, {1, 3}}};
  for (DType dtype : {DType::F32, DType::BF16, DType::F64})
    for (const Case &c : cases)
      for (OpId id : {OpId::Sum, OpId::Mean, OpId::ReduceMax}) {
        SpecBuilder b;
        uint32_t x = b.input(dtype, c.shape), power = b.op(OpId::Exp, {x}), square = b.op(OpId::Mul, {power, x});
        double tolerance = dtype == DType::BF16 ? 2e-2 : 1e-5; // two roundings of a bfloat16
        expectSame(b.finish({square, b.reduce(id, square, c.axes, false), b.reduce(OpId::Sum, power, c.axes, false)}), Fill::Unit, tolerance, tolerance);
      }
}

TEST(Reduction, PartialResultsAddUp) {
  for (const Case &c : kCases)
    for (int64_t partials : {2, 3, -2}) {
      bool isDear = partials < 0;
      partials = std::abs(partials);
      if (llvm::all_of(c.axes, [&](int64_t axis) { return c.shape[axis] == 1; })) continue; // nothing to cut
      SpecBuilder b;
      uint32_t x = b.input(DType::F32, c.shape);
      KernelSpec spec = b.finish({b.reduce(OpId::Sum, isDear ? b.op(OpId::Tanh, {x}) : x, c.axes, false)});
      std::vector<Tensor> inputs = makeInputs(spec, 5, Fill::Positive);
      Tensor whole = runEager(spec, inputs)[0];
      KernelSpec cut = spec;
      cut.partials = partials;
      Tensor parts = runGenerated(cut, inputs)[0], sum = whole;
      for (int64_t i = 0; i < whole.count(); ++i) {
        double total = 0;
        for (int64_t p = 0; p < partials; ++p) total += parts.at(p * whole.count() + i);
        sum.set(i, total);
      }
      expectNear(sum, whole, 1e-5, 1e-5, spec.summary());
    }
}

/// x * y over [rows, 64] and sums of it over the rows: what a normalization's derivative looks like.
KernelSpec productAndSums(int64_t rows, bool dependsOnSum) {
  SpecBuilder b;
  uint32_t x = b.input(DType::F32, {rows, 64}), y = b.input(DType::F32, {rows, 64});
  uint32_t product = b.op(OpId::Mul, {x, y}), sum = b.reduce(OpId::Sum, product, {0}, true);
  uint32_t mean = b.reduce(OpId::Mean, b.op(OpId::Mul, {product, x}), {0}, true);
  return b.finish({dependsOnSum ? b.op(OpId::Sub, {product, sum}) : product, sum, b.op(OpId::Add, {mean, sum})});
}

TEST(Split, PiecesWriteFullResults) {
  auto split = splitReduction(productAndSums(4096, false));
  ASSERT_TRUE(split);
  EXPECT_EQ(split->fullOutputs, (SmallVector<unsigned, 4>{0}));
  EXPECT_EQ(split->keptOutputs, (SmallVector<unsigned, 4>{1, 2}));
  EXPECT_EQ(split->pieces.outputs.size(), 3u);
  EXPECT_EQ(split->combination.outputs.size(), 2u);
}

TEST(Split, NotWhereFullResultsNeedSumsOrThereIsLittle) {
  EXPECT_FALSE(splitReduction(productAndSums(4096, true)));
  EXPECT_FALSE(splitReduction(productAndSums(64, false)));
}

TEST(Domain, MergesAxesThatAreUsedAlike) {
  SpecBuilder b;
  uint32_t x = b.input(DType::F32, {2, 3, 4, 5}), bias = b.input(DType::F32, {3, 1, 1});
  Domain domain = planDomain(b.finish({b.op(OpId::Add, {x, bias})})).value();
  EXPECT_EQ(domain.loops, (SmallVector<Dim, 4>{Dim(2), Dim(3), Dim(20)}));
  SpecBuilder c;
  uint32_t y = c.input(DType::F32, {2, 3, 4, 5});
  EXPECT_EQ(planDomain(c.finish({c.op(OpId::Exp, {y})})).value().loops, (SmallVector<Dim, 4>{Dim(120)}));
  SpecBuilder d;
  uint32_t z = d.input(DType::F32, {2, 3, 4, 5});
  EXPECT_EQ(planDomain(d.finish({d.reduce(OpId::Sum, z, {1, 2}, false)})).value().loops,
            (SmallVector<Dim, 4>{Dim(2), Dim(12), Dim(5)}));
}

TEST(Domain, CutsAxesForReshapes) {
  SpecBuilder b;
  uint32_t x = b.input(DType::F32, {2, 4, 5, 16});
  uint32_t merged = b.op(OpId::Reshape, {b.op(OpId::Transpose, {x}, listWords({0, 2, 1, 3}))}, listWords({2, 5, 64}));
  EXPECT_EQ(planDomain(b.finish({b.op(OpId::Relu, {merged})})).value().loops, (SmallVector<Dim, 4>{Dim(2), Dim(5), Dim(4), Dim(16)}));
}

TEST(Domain, RefusesReductionsOverDifferentAxes) {
  SpecBuilder b;
  uint32_t x = b.input(DType::F32, {4, 5});
  std::string why = whyRefused(b.finish({b.reduce(OpId::Sum, x, {0}, false), b.reduce(OpId::Sum, x, {1}, false)}), Machine::host());
  EXPECT_NE(why.find("different axes"), std::string::npos) << why;
}

} // namespace
} // namespace tinyfin::cpu
