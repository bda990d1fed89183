// SPDX-License-Identifier: Apache-2.0
// Generated maps give what the eager kernels give: every elementwise op, dtypes, broadcasts and index transforms.
#include "SpecTesting.h"
#include "backends/cpu/Emit.h"

namespace tinyfin::cpu {
namespace {

const std::vector<std::vector<int64_t>> kShapes = {{}, {1}, {3}, {16}, {17}, {64}, {2051}, {5, 7}, {4, 16}, {3, 33}, {2, 3, 40}, {2, 1, 5}, {0}, {3, 0}};

TEST(Map, UnaryOps) {
  for (OpId id : {OpId::Exp, OpId::Log, OpId::Sqrt, OpId::Rsqrt, OpId::Square, OpId::Reciprocal, OpId::Tanh, OpId::Erf,
                  OpId::Sin, OpId::Cos, OpId::Abs, OpId::Neg, OpId::Sign, OpId::Relu, OpId::Sigmoid})
    for (DType dtype : {DType::F32, DType::F64})
      for (Fill fill : {Fill::Signed, Fill::Special}) {
        SpecBuilder b;
        uint32_t x = b.input(dtype, {517});
        bool isTrig = id == OpId::Sin || id == OpId::Cos;
        double tolerance = dtype == DType::F64 ? 1e-14 : 1e-6;
        expectSame(b.finish({b.op(id, {x})}), fill, tolerance, isTrig ? tolerance : 1e-44);
      }
}

TEST(Map, BinaryOps) {
  for (OpId id : {OpId::Add, OpId::Sub, OpId::Mul, OpId::Div, OpId::Maximum, OpId::Minimum, OpId::Eq, OpId::Ne, OpId::Lt,
                  OpId::Le, OpId::Gt, OpId::Ge})
    for (DType dtype : {DType::F32, DType::F64, DType::I64, DType::I32, DType::I8, DType::U8}) {
      if (id == OpId::Div && !isFloat(dtype)) continue;
      for (Fill fill : {Fill::Signed, Fill::Special}) {
        SpecBuilder b;
        uint32_t x = b.input(dtype, {301}), y = b.input(dtype, {301});
        expectSame(b.finish({b.op(id, {x, y})}), fill, 1e-6, 0);
      }
    }
}

TEST(Map, Pow) {
  for (DType dtype : {DType::F32, DType::F64})
    for (Fill fill : {Fill::Positive, Fill::Special, Fill::Signed}) {
      SpecBuilder b;
      uint32_t x = b.input(dtype, {3001}), y = b.input(dtype, {3001});
      expectSame(b.finish({b.op(OpId::Pow, {x, y})}), fill, dtype == DType::F32 ? 1e-6 : 2e-13, 1e-44);
    }
  SpecBuilder b;
  uint32_t x = b.input(DType::F32, {100}), whole = b.op(OpId::Cast, {b.op(OpId::Cast, {x}, {int64_t(DType::I32)})}, {int64_t(DType::F32)});
  expectSame(b.finish({b.op(OpId::Pow, {whole, whole})}));
}

TEST(Map, Logic) {
  SpecBuilder b;
  uint32_t x = b.input(DType::Bool, {77}), y = b.input(DType::Bool, {77}), u = b.input(DType::F32, {77}), v = b.input(DType::F32, {77});
  uint32_t c = b.op(OpId::LogicalXor, {b.op(OpId::LogicalAnd, {x, y}), b.op(OpId::LogicalNot, {b.op(OpId::LogicalOr, {x, y})})});
  expectSame(b.finish({c, b.op(OpId::Select, {c, u, v})}), Fill::Special);
}

TEST(Map, Casts) {
  std::vector<DType> all = {DType::F32, DType::F64, DType::BF16, DType::F16, DType::I64, DType::I32, DType::I8, DType::U8, DType::Bool};
  for (DType from : all)
    for (DType to : all) {
      SpecBuilder b;
      uint32_t x = b.input(from, {163});
      expectSame(b.finish({b.op(OpId::Cast, {x}, {int64_t(to)})}), Fill::Positive, 0, 0);
    }
}

TEST(Map, HalfTypesKeepSpecials) {
  for (DType dtype : {DType::BF16, DType::F16}) {
    SpecBuilder b;
    uint32_t x = b.input(dtype, {400}), y = b.input(dtype, {400});
    expectSame(b.finish({b.op(OpId::Add, {x, y}), b.op(OpId::Relu, {x})}), Fill::Special, 1e-2, 1e-7);
  }
}

TEST(Map, HalfTypesOfOddLengthsStayInBounds) {
  for (int64_t extent : {1, 17, 18, 31, 33})
    for (DType dtype : {DType::BF16, DType::F16, DType::I8}) {
      SpecBuilder b;
      uint32_t x = b.input(dtype, {3, extent}), y = b.input(dtype, {extent});
      expectSame(b.finish({b.op(OpId::Add, {x, y})}), Fill::Unit, 1e-2, 1e-2);
    }
}

TEST(Map, ChainsOverShapes) {
  for (const auto &shape : kShapes) {
    SpecBuilder b;
    uint32_t x = b.input(DType::F32, shape), y = b.input(DType::F32, shape), s = b.input(DType::F32, {});
    uint32_t half = b.constant(DType::F32, 0.5);
    uint32_t z = b.op(OpId::Mul, {b.op(OpId::Tanh, {b.op(OpId::Add, {x, s})}), half});
    expectSame(b.finish({b.op(OpId::Add, {z, y}), z}));
  }
}

TEST(Map, Broadcasts) {
  struct Case { std::vector<int64_t> a, b; };
  for (const Case &c : {Case{{4, 33}, {33}}, {{4, 33}, {4, 1}}, {{2, 3, 5, 7}, {3, 1, 1}}, {{2, 3, 40}, {2, 1, 40}},
                        {{6, 1}, {1, 70}}, {{2, 3, 4, 16}, {4, 16}}, {{5, 1, 4}, {5, 3, 1}}, {{1, 1}, {8, 2049}}, {{7, 3000}, {7, 1}}}) {
    SpecBuilder b;
    uint32_t x = b.input(DType::F32, c.a), y = b.input(DType::F32, c.b);
    uint32_t sum = b.op(OpId::Add, {x, y});
    expectSame(b.finish({b.op(OpId::Mul, {sum, y})}));
  }
}

TEST(Map, Transposes) {
  struct Case { std::vector<int64_t> shape, permutation; };
  for (const Case &c : {Case{{5, 33}, {1, 0}}, {{40, 24}, {1, 0}}, {{2, 3, 16, 8}, {0, 2, 1, 3}}, {{2, 3, 5, 7}, {3, 1, 0, 2}}, {{1, 64, 3}, {2, 0, 1}}, {{3, 50, 70}, {2, 0, 1}}, {{50, 3, 70}, {2, 1, 0}}}) {
    SpecBuilder b;
    uint32_t x = b.input(DType::F32, c.shape), t = b.op(OpId::Transpose, {x}, listWords(c.permutation));
    expectSame(b.finish({b.op(OpId::Add, {t, t})}));
  }
}

TEST(Map, ReshapesBetweenTransposes) { // heads of attention, both ways
  for (int64_t width : {16, 10}) {
    SpecBuilder b;
    uint32_t x = b.input(DType::F32, {2, 5, 4 * width});
    uint32_t heads = b.op(OpId::Transpose, {b.op(OpId::Reshape, {x}, listWords({2, 5, 4, width}))}, listWords({0, 2, 1, 3}));
    expectSame(b.finish({b.op(OpId::Relu, {heads})}));
    SpecBuilder c;
    uint32_t y = c.input(DType::F32, {2, 4, 5, width});
    uint32_t merged = c.op(OpId::Reshape, {c.op(OpId::Transpose, {y}, listWords({0, 2, 1, 3}))}, listWords({2, 5, 4 * width}));
    expectSame(c.finish({c.op(OpId::Relu, {merged})}));
  }
}

TEST(Map, ReshapesThatDoNotMatch) {
  SpecBuilder b;
  uint32_t x = b.input(DType::F32, {6, 35}), y = b.input(DType::F32, {14, 15});
  expectSame(b.finish({b.op(OpId::Add, {b.op(OpId::Reshape, {x}, listWords({14, 15})), y})}));
  SpecBuilder c;
  uint32_t u = c.input(DType::F32, {6, 35}), t = c.op(OpId::Transpose, {u}, listWords({1, 0}));
  expectSame(c.finish({c.op(OpId::Relu, {c.op(OpId::Reshape, {t}, listWords({14, 15}))})}));
}

Words sliceWords(std::vector<int64_t> sizes, std::vector<int64_t> steps) {
  Words words;
  AttrWriter(words).list(sizes).list(steps);
  return words;
}

TEST(Map, Slices) {
  struct Case { std::vector<int64_t> shape, starts, sizes, steps; };
  for (const Case &c : {Case{{9, 40}, {2, 0}, {5, 40}, {1, 1}}, {{9, 40}, {0, 3}, {9, 20}, {1, 1}}, {{9, 40}, {1, 2}, {4, 18}, {2, 2}},
                        {{4, 5, 6}, {1, 0, 2}, {2, 5, 3}, {1, 1, 1}}, {{100}, {7}, {30}, {3}}}) {
    SpecBuilder b;
    uint32_t x = b.input(DType::F32, c.shape), starts = b.input(DType::I64, {int64_t(c.shape.size())});
    KernelSpec spec = b.finish({b.op(OpId::Neg, {b.op(OpId::Slice, {x, starts}, sliceWords(c.sizes, c.steps))})});
    std::vector<Tensor> inputs = makeInputs(spec, 3, Fill::Signed);
    for (size_t i = 0; i < c.starts.size(); ++i) inputs[1].set(i, c.starts[i]);
    expectNear(runGenerated(spec, inputs)[0], runEager(spec, inputs)[0], 0, 0, spec.summary());
  }
}

TEST(Map, ConcatsAndPads) {
  for (int64_t axis : {0, 1}) {
    SpecBuilder b;
    std::vector<int64_t> second = axis ? std::vector<int64_t>{3, 19} : std::vector<int64_t>{5, 20};
    uint32_t x = b.input(DType::F32, {3, 20}), y = b.input(DType::F32, second), z = b.input(DType::F32, {3, 20});
    expectSame(b.finish({b.op(OpId::Relu, {b.op(OpId::Concat, {x, y, z}, {axis})})}));
  }
  struct Case { std::vector<int64_t> shape, low, high; };
  for (const Case &c : {Case{{3, 20}, {1, 0}, {2, 0}}, {{3, 20}, {0, 3}, {0, 2}}, {{2, 3, 4}, {1, 0, 1}, {0, 2, 1}}, {{0, 4}, {2, 0}, {1, 0}}}) {
    SpecBuilder b;
    uint32_t x = b.input(DType::F32, c.shape), value = b.input(DType::F32, {});
    Words words;
    AttrWriter(words).list(c.low).list(c.high);
    expectSame(b.finish({b.op(OpId::Exp, {b.op(OpId::Pad, {x, value}, words)})}));
  }
}

TEST(Map, IotaFullAndBroadcast) {
  for (int64_t axis : {0, 1})
    for (DType dtype : {DType::F32, DType::I64, DType::I32}) {
      SpecBuilder b;
      uint32_t value = b.input(dtype, {}), column = b.input(dtype, {6, 1});
      Words iota;
      AttrWriter(iota).list(std::vector<int64_t>{6, 37}).integer(axis).dtype(dtype);
      uint32_t full = b.op(OpId::Full, {value}, listWords({6, 37}));
      uint32_t wide = b.op(OpId::Broadcast, {column}, listWords({6, 37}));
      expectSame(b.finish({b.op(OpId::Add, {b.op(OpId::Add, {b.op(OpId::Iota, {}, iota), full}), wide})}));
    }
}

TEST(Map, Gathers) {
  struct Case { std::vector<int64_t> shape, indices; int64_t axis; };
  for (const Case &c : {Case{{9, 20}, {5}, 0}, {{9, 20}, {2, 3}, 0}, {{4, 9}, {21}, 1}, {{3, 9, 5}, {4}, 1}}) {
    SpecBuilder b;
    uint32_t x = b.input(DType::F32, c.shape), indices = b.input(DType::I64, c.indices);
    KernelSpec spec = b.finish({b.op(OpId::Neg, {b.op(OpId::Gather, {x, indices}, {c.axis})})});
    std::vector<Tensor> inputs = makeInputs(spec, 3, Fill::Signed);
    for (int64_t i = 0; i < inputs[1].count(); ++i) inputs[1].set(i, (i * 5) % 9);
    expectNear(runGenerated(spec, inputs)[0], runEager(spec, inputs)[0], 0, 0, spec.summary());
  }
}

TEST(Map, RandomNumbersAreTheEagerKernels) {
  for (OpId id : {OpId::RandomBits, OpId::Uniform, OpId::Normal})
    for (std::vector<int64_t> shape : {std::vector<int64_t>{1003}, {7, 9}, {3, 128}, {4096}, {}}) {
      SpecBuilder b;
      uint32_t state = b.input(DType::I64, {2});
      Words words;
      AttrWriter writer(words);
      writer.list(shape);
      if (id != OpId::RandomBits) writer.dtype(DType::F32);
      writer.integer(17);
      KernelSpec spec = b.finish({b.op(id, {state}, words)});
      std::vector<Tensor> inputs = makeInputs(spec, 3, Fill::Signed);
      static_cast<int64_t *>(inputs[0].data())[0] = 0x123456789abcdef;
      static_cast<int64_t *>(inputs[0].data())[1] = 5000000000;
      double tolerance = id == OpId::Normal ? 2e-6 : 0;
      expectNear(runGenerated(spec, inputs)[0], runEager(spec, inputs)[0], tolerance, tolerance, spec.summary());
    }
}

TEST(Map, IntegerDivisionIsRefused) {
  SpecBuilder b;
  uint32_t x = b.input(DType::I64, {8}), y = b.input(DType::I64, {8});
  std::string kernels = whyRefused(b.finish({b.op(OpId::Div, {x, y})}), Machine::host());
  EXPECT_NE(kernels.find("integer division"), std::string::npos) << kernels;
}

} // namespace
} // namespace tinyfin::cpu
