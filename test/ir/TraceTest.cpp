// SPDX-License-Identifier: Apache-2.0
// Traces decode to functions and encode back to the same words; malformed words are refused.
#include "ir/GraphBuilder.h"
#include "ir/Trace.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"
#include <gtest/gtest.h>

using namespace tinyfin;
using namespace tinyfin::fin;

namespace {

Words sampleTrace() {
  Words words, sumAttrs;
  appendInput(words, {DType::F32, {Dim(4), Dim(3)}}, InputRole::Tensor);
  appendInput(words, {DType::F32, {}}, InputRole::Scalar);
  appendOp(words, OpId::Mul, {0, 1}, {});
  AttrWriter(sumAttrs).list(std::vector<int64_t>{1}).flag(false);
  appendOp(words, OpId::Sum, {2}, sumAttrs);
  return words;
}

TEST(Trace, DecodesAndEncodesBack) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  Words words = sampleTrace(), back;
  auto module = decodeTrace(context, words, {3, 2});
  ASSERT_TRUE(module);
  ASSERT_TRUE(mlir::succeeded(mlir::verify(*module)));
  llvm::SmallVector<uint32_t> outputs;
  auto function = *module->getOps<mlir::func::FuncOp>().begin();
  ASSERT_TRUE(mlir::succeeded(encodeTrace(function, back, outputs)));
  EXPECT_EQ(back, words);
  EXPECT_EQ(outputs, (llvm::SmallVector<uint32_t>{3, 2}));
}

TEST(Trace, RefusesEveryTruncation) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  context.getDiagEngine().registerHandler([](mlir::Diagnostic &) { return mlir::success(); });
  Words words = sampleTrace();
  for (size_t size = 0; size < words.size(); ++size)
    EXPECT_FALSE(decodeTrace(context, std::span(words).first(size), {3})) << size;
}

TEST(Trace, KnownScalarsAreConstants) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  context.getDiagEngine().registerHandler([](mlir::Diagnostic &) { return mlir::success(); });
  Words words, steps;
  appendInput(words, {DType::F32, {Dim(8)}}, InputRole::Tensor);
  appendInput(words, {DType::I64, {Dim(1)}}, InputRole::Known, {3});
  AttrWriter(steps).list(std::vector<int64_t>{2}).list(std::vector<int64_t>{1});
  appendOp(words, OpId::Slice, {0, 1}, steps);
  auto module = decodeTrace(context, words, {2});
  ASSERT_TRUE(module);
  auto function = *module->getOps<mlir::func::FuncOp>().begin();
  EXPECT_EQ(function.getNumArguments(), 2u);
  EXPECT_TRUE(function.getArgument(1).use_empty());
  auto slice = *function.getOps<SliceOp>().begin();
  auto starts = slice.getStarts().getDefiningOp<ConstantOp>();
  ASSERT_TRUE(starts);
  EXPECT_EQ(*mlir::cast<mlir::DenseIntElementsAttr>(starts.getValue()).value_begin<int64_t>(), 3);
  for (size_t size = 0; size < words.size(); ++size)
    EXPECT_FALSE(decodeTrace(context, std::span(words).first(size), {2})) << size;
}

TEST(Dim, ParsesWhatItPrints) {
  for (const char *text : {"0", "17", "N", "4*batch_2"}) EXPECT_EQ(Dim::parse(text)->str(), text);
  for (const char *text : {"", "-1", "*N", "0*N", "4*", "a b", "1N"}) EXPECT_FALSE(Dim::parse(text)) << text;
}

TEST(Dim, ElementCountsDoNotOverflow) {
  EXPECT_TRUE(numElements({Dim(int64_t(1) << 31), Dim(int64_t(1) << 31)}));
  EXPECT_FALSE(numElements({Dim(int64_t(1) << 32), Dim(int64_t(1) << 31)}));
  EXPECT_EQ(numElements({Dim(int64_t(1) << 62), Dim(int64_t(1) << 62), Dim(0)}), Dim(0));
  EXPECT_EQ(*numElements({Dim(8), Dim::symbol("N"), Dim(2)}), Dim::symbol("N", 16));
  EXPECT_EQ(*divideExactly(Dim::symbol("N", 16), Dim(4)), Dim::symbol("N", 4));
}

} // namespace
