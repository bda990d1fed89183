// SPDX-License-Identifier: Apache-2.0
// Traces and graph texts with random damage are refused or read, never crash.
#include "ir/Envelope.h"
#include "ir/Trace.h"
#include "mlir/IR/MLIRContext.h"
#include <gtest/gtest.h>
#include <random>

using namespace tinyfin;
using namespace tinyfin::fin;

namespace {

struct Mutation : testing::Test {
  Mutation() {
    context.getDiagEngine().registerHandler([](mlir::Diagnostic &) { return mlir::success(); });
  }
  size_t pick(size_t count) { return random() % count; }
  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  std::mt19937_64 random{7};
};

Words attrsOf(std::initializer_list<std::initializer_list<int64_t>> lists) {
  Words words;
  for (auto list : lists) AttrWriter(words).list(std::vector<int64_t>(list));
  return words;
}

// Ops whose attributes have every layout.
Words sampleTrace() {
  Words words, matmul, print, random;
  Dim n = Dim::symbol("N");
  appendInput(words, {DType::F32, {n, Dim(3), Dim(8), Dim(8)}}, InputRole::Tensor);
  appendInput(words, {DType::F32, {Dim(4), Dim(3), Dim(3), Dim(3)}}, InputRole::Tensor);
  appendInput(words, {DType::I64, {Dim(2)}}, InputRole::Scalar);
  Words conv = attrsOf({{1, 1}, {1, 1}});
  AttrWriter(conv).flag(false);
  appendOp(words, OpId::Conv2d, {0, 1}, conv);                                        // 3: [N, 4, 8, 8]
  appendOp(words, OpId::Reshape, {3}, attrsOf({{n.word(), 256}}));                    // 4: [N, 256]
  AttrWriter(matmul).flag(true).flag(false);
  appendOp(words, OpId::Matmul, {4, 4}, matmul);                                      // 5: [256, 256]
  appendOp(words, OpId::Slice, {5, 2}, attrsOf({{16, 256}, {2, 1}}));                 // 6: [16, 256]
  AttrWriter(random).list(std::vector<int64_t>{16, 256}).dtype(DType::F32).integer(4);
  appendOp(words, OpId::Uniform, {2}, random);                                        // 7
  appendOp(words, OpId::Add, {6, 7}, {});                                             // 8
  AttrWriter(print).text("a message");
  appendOp(words, OpId::Print, {8}, print);
  return words;
}

TEST_F(Mutation, OfTraces) {
  Words good = sampleTrace();
  ASSERT_TRUE(decodeTrace(context, good, {8}));
  static constexpr int64_t edges[] = {0, 1, -1, INT64_MIN, INT64_MAX, int64_t(1) << 32, int64_t(1) << 62};
  int accepted = 0;
  for (int i = 0; i < 4000; ++i) {
    Words words = good;
    for (size_t k = 1 + pick(3); k > 0; --k) {
      int64_t &word = words[pick(words.size())];
      word = pick(2) ? edges[pick(std::size(edges))] : word ^ int64_t(1) << pick(64);
    }
    if (!pick(4)) words.resize(pick(words.size()));
    accepted += !!decodeTrace(context, words, {static_cast<uint32_t>(pick(9))});
  }
  EXPECT_GT(accepted, 0);
  EXPECT_LT(accepted, 2000);
}

TEST_F(Mutation, OfTexts) {
  auto module = decodeTrace(context, sampleTrace(), {8});
  std::string good;
  llvm::raw_string_ostream stream(good);
  ASSERT_TRUE(mlir::succeeded(writeGraph(*module, stream, GraphForm::Text)));
  int accepted = 0;
  for (int i = 0; i < 4000; ++i) {
    std::string text = good;
    for (size_t k = 1 + pick(3); k > 0; --k) {
      size_t from = pick(text.size()), length = pick(12);
      if (pick(2))
        text[from] = static_cast<char>(pick(256));
      else
        text.insert(pick(text.size()), text.substr(from, length));
    }
    accepted += !!readGraph(llvm::MemoryBuffer::getMemBufferCopy(text, "graph"), context);
  }
  EXPECT_GT(accepted, 0);
  EXPECT_LT(accepted, 3500);
}

} // namespace
