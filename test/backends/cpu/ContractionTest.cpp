// SPDX-License-Identifier: Apache-2.0
// Generated matrix products, convolutions and pools give what the eager kernels give.
#include "SpecTesting.h"
#include "backends/cpu/Contractions.h"
#include "backends/cpu/Machine.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

namespace tinyfin::cpu {
namespace {

std::vector<int64_t> stored(std::vector<int64_t> dims, bool transposed) {
  if (transposed) std::swap(dims[dims.size() - 1], dims[dims.size() - 2]);
  return dims;
}

TEST(GeneratedMatmul, ShapesAndTransposes) {
  struct Case { std::vector<int64_t> lhs, rhs; };
  for (const Case &c : {Case{{1, 7}, {7, 5}}, {{4, 3}, {3, 16}}, {{6, 64}, {64, 64}}, {{13, 31}, {31, 130}}, {{64, 49}, {49, 10}},
                        {{2, 5, 9}, {9, 33}}, {{3, 4, 8}, {3, 8, 20}}, {{2, 1, 4, 8}, {3, 8, 5}}, {{1, 300}, {300, 17}}, {{5, 0}, {0, 6}}, {{96, 40}, {40, 70}},
                        {{16, 64}, {64, 10}}, {{5, 61}, {61, 65}}, {{17, 128}, {128, 33}}, {{2, 16, 20}, {2, 20, 40}}})
    for (bool left : {false, true})
      for (bool right : {false, true})
        for (DType dtype : {DType::F32, DType::F64, DType::BF16}) {
          SpecBuilder b;
          uint32_t x = b.input(dtype, stored(c.lhs, left)), y = b.input(dtype, stored(c.rhs, right));
          double tolerance = dtype == DType::F32 ? 1e-5 : dtype == DType::F64 ? 1e-13 : 1e-2;
          expectSame(b.finish({b.op(OpId::Matmul, {x, y}, {left, right})}), Fill::Unit, tolerance, tolerance);
        }
}

/// What the rule says of float32 [rows, inner] @ [inner, columns], whose operands are stored transposed or not.
bool isGenerated(int64_t rows, int64_t columns, int64_t inner, bool left = false, bool right = false) {
  mlir::DialectRegistry registry;
  registry.insert<fin::FinDialect, mlir::func::FuncDialect>();
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  auto type = [](std::vector<int64_t> dims) { return "tensor<" + std::to_string(dims[0]) + "x" + std::to_string(dims[1]) + "xf32>"; };
  std::string x = type(stored({rows, inner}, left)), y = type(stored({inner, columns}, right)), result = type({rows, columns});
  std::string flags = std::string("{transpose_lhs = ") + (left ? "true" : "false") + ", transpose_rhs = " + (right ? "true" : "false") + "}";
  auto module = mlir::parseSourceString<mlir::ModuleOp>("func.func @main(%x: " + x + ", %y: " + y + ") -> " + result + " {\n%0 = fin.matmul %x, %y " +
                                                            flags + " : (" + x + ", " + y + ") -> " + result + "\nreturn %0 : " + result + "\n}", &context);
  EXPECT_TRUE(module);
  if (!module) return false;
  bool generated = false;
  module->walk([&](fin::MatmulOp op) { generated = prefersGenerated(op); });
  return generated;
}

TEST(GeneratedMatmul, IsPreferredWhereItIsFaster) {
  if (Machine::host().lanes < 8) GTEST_SKIP() << "plans only: vectors of " << Machine::host().lanes;
  EXPECT_TRUE(isGenerated(32, 384, 512));
  EXPECT_TRUE(isGenerated(64, 384, 512));
  EXPECT_FALSE(isGenerated(32, 1536, 512)); // too much work for so few rows
  EXPECT_FALSE(isGenerated(128, 64, 64));
  EXPECT_TRUE(isGenerated(16, 128, 512, true)) << "left transposed";
  EXPECT_FALSE(isGenerated(16, 384, 1536, true)) << "left transposed, a large right operand";
  EXPECT_TRUE(isGenerated(32, 128, 1536, false, true)) << "right transposed";
  EXPECT_TRUE(isGenerated(64, 16, 512, false, true)) << "right transposed";
  EXPECT_TRUE(isGenerated(16, 64, 64, false, true)) << "right transposed, turned";
  EXPECT_FALSE(isGenerated(96, 512, 64, false, true)) << "right transposed, worth sharing among threads";
  EXPECT_FALSE(isGenerated(8, 64, 128, false, true)) << "right transposed, too few rows to turn it for";
  EXPECT_FALSE(isGenerated(64, 384, 512, false, true)) << "right transposed";
  EXPECT_FALSE(isGenerated(16, 64, 64, true, true)) << "both transposed";
}

Words slideWords(std::vector<int64_t> kernel, std::vector<int64_t> strides, std::vector<int64_t> padding) {
  Words words;
  AttrWriter writer(words);
  if (!kernel.empty()) writer.list(kernel);
  writer.list(strides).list(padding).flag(false);
  return words;
}

TEST(GeneratedConv2d, Forward) {
  struct Case { std::vector<int64_t> x, weight, strides, padding; };
  for (const Case &c : {Case{{2, 3, 9, 9}, {4, 3, 3, 3}, {1, 1}, {1, 1}}, {{1, 1, 28, 28}, {6, 1, 5, 5}, {1, 1}, {0, 0}},
                        {{2, 5, 12, 40}, {13, 5, 3, 3}, {2, 2}, {1, 1}}, {{3, 8, 7, 7}, {16, 8, 1, 1}, {1, 1}, {0, 0}},
                        {{1, 2, 5, 70}, {3, 2, 2, 7}, {1, 3}, {0, 2}}}) {
    SpecBuilder b;
    uint32_t x = b.input(DType::F32, c.x), w = b.input(DType::F32, c.weight);
    expectSame(b.finish({b.op(OpId::Conv2d, {x, w}, slideWords({}, c.strides, c.padding))}), Fill::Unit, 1e-5, 1e-5);
  }
}

TEST(GeneratedPool2d, MaximaAndMeans) {
  struct Case { std::vector<int64_t> x, kernel, strides, padding; };
  for (const Case &c : {Case{{2, 3, 8, 8}, {2, 2}, {2, 2}, {0, 0}}, {{1, 2, 9, 33}, {3, 3}, {2, 2}, {1, 1}}, {{1, 1, 5, 50}, {3, 2}, {1, 1}, {1, 0}}})
    for (OpId id : {OpId::MaxPool2d, OpId::AvgPool2d})
      for (Fill fill : {Fill::Signed, Fill::Special}) {
        if (id == OpId::AvgPool2d && fill == Fill::Special) continue; // 1e30 - 1e30 depends on the order
        SpecBuilder b;
        uint32_t x = b.input(DType::F32, c.x);
        expectSame(b.finish({b.op(id, {x}, slideWords(c.kernel, c.strides, c.padding))}), fill, 1e-5, 1e-6);
      }
}

} // namespace
} // namespace tinyfin::cpu
