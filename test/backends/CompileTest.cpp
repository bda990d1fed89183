// SPDX-License-Identifier: Apache-2.0
// From a trace to a result through the interpreter: values, donations, copies of outputs, errors and their origin.
#include "backends/Compile.h"
#include "mlir/Parser/Parser.h"
#include <gtest/gtest.h>

using namespace tinyfin;
using namespace tinyfin::fin;

namespace {

Backend &interpreter() { return *findBackend("interpreter").value(); }

/// A trace under construction; each call returns its slot.
struct Recording {
  Words words;
  uint32_t slots = 0;
  uint32_t input(llvm::ArrayRef<Dim> dims, DType dtype = DType::F32) {
    appendInput(words, {dtype, Dims(dims)}, InputRole::Tensor);
    return slots++;
  }
  uint32_t op(OpId id, llvm::ArrayRef<uint32_t> operands, const Words &attrs = {}) {
    appendOp(words, id, operands, attrs);
    return slots++;
  }
  std::shared_ptr<Executable> compile(llvm::ArrayRef<uint32_t> outputs) {
    auto compiled = compileTrace(words, outputs, interpreter(), {});
    EXPECT_TRUE(compiled.isOk()) << compiled.status().message();
    return compiled.value();
  }
};

Words reduceAttrs(std::vector<int64_t> axes) {
  Words attrs;
  AttrWriter(attrs).list(axes).flag(false);
  return attrs;
}
Words shapeAttrs(std::vector<int64_t> dims) {
  Words attrs;
  AttrWriter(attrs).list(dims);
  return attrs;
}

TEST(Compile, RunsATrace) {
  Recording r;
  uint32_t x = r.input({Dim(2), Dim(3)}), y = r.input({Dim(3)});
  uint32_t product = r.op(OpId::Mul, {x, y}), total = r.op(OpId::Sum, {product}, reduceAttrs({1}));
  auto executable = r.compile({total, product});
  float xs[] = {1, 2, 3, 4, 5, 6}, ys[] = {1, 10, 100}, totals[2], products[6];
  void *in[] = {xs, ys}, *out[] = {totals, products};
  ASSERT_TRUE(executable->run(in, out).isOk());
  EXPECT_EQ(totals[0], 321);
  EXPECT_EQ(totals[1], 654);
  EXPECT_EQ(products[5], 600);
  EXPECT_STREQ(executable->backend(), "interpreter");
  EXPECT_EQ(executable->stats.interpretedOps, 2u);
  EXPECT_EQ(executable->stats.arenaBytes, 0u);
}

TEST(Compile, DonatesAParameterToItsUpdate) {
  Recording r;
  uint32_t p = r.input({Dim(64)}), g = r.input({Dim(64)}), rate = r.input({});
  uint32_t step = r.op(OpId::Mul, {g, rate}), updated = r.op(OpId::Sub, {p, step});
  auto executable = r.compile({updated});
  ASSERT_EQ(executable->donations.size(), 1u);
  EXPECT_EQ(executable->donations[0].input, 0u);
  std::vector<float> ps(64, 1.0f), gs(64, 0.5f);
  float lr = 0.5f;
  void *in[] = {ps.data(), gs.data(), &lr}, *out[] = {ps.data()};
  ASSERT_TRUE(executable->run(in, out).isOk());
  for (float value : ps) EXPECT_EQ(value, 0.75f);
}

TEST(Compile, DonatesNothingThatIsReadLater) {
  Recording r;
  uint32_t x = r.input({Dim(4)});
  uint32_t y = r.op(OpId::Exp, {x}), z = r.op(OpId::Mul, {x, y});
  auto executable = r.compile({y, z}); // z may take x's memory, y may not: z reads x after y is written
  ASSERT_EQ(executable->donations.size(), 1u);
  EXPECT_EQ(executable->donations[0].output, 1u);
}

TEST(Compile, DonatesNothingAheadOfWhatCanFail) {
  Recording r;
  uint32_t x = r.input({Dim(4)}), index = r.input({Dim(2)}, DType::I64);
  Words axis;
  AttrWriter(axis).integer(0);
  uint32_t y = r.op(OpId::Neg, {x}), taken = r.op(OpId::Gather, {y, index}, axis);
  auto executable = r.compile({y, taken});
  EXPECT_TRUE(executable->donations.empty());
}

TEST(Compile, CopiesOutputsThatAreInputsViewsOrRepeated) {
  Recording r;
  uint32_t x = r.input({Dim(2), Dim(2)});
  uint32_t flat = r.op(OpId::Reshape, {x}, shapeAttrs({4})), negated = r.op(OpId::Neg, {flat});
  uint32_t square = r.op(OpId::Reshape, {negated}, shapeAttrs({2, 2}));
  auto executable = r.compile({x, flat, negated, square, square});
  float xs[] = {1, 2, 3, 4}, results[5][4];
  void *in[] = {xs}, *out[5];
  for (int i = 0; i < 5; ++i) out[i] = results[i];
  ASSERT_TRUE(executable->run(in, out).isOk());
  for (int i = 0; i < 4; ++i)
    for (int output = 0; output < 5; ++output) EXPECT_EQ(results[output][i], output < 2 ? xs[i] : -xs[i]) << output;
}

TEST(Compile, ErrorsNameTheRecordedOp) {
  Recording r;
  uint32_t x = r.input({Dim(4)}), index = r.input({Dim(1)}, DType::I64);
  Words axis;
  AttrWriter(axis).integer(0);
  uint32_t y = r.op(OpId::Neg, {x}), taken = r.op(OpId::Gather, {y, index}, axis);
  auto executable = r.compile({taken});
  float xs[4] = {}, result[1];
  int64_t beyond = 9;
  void *in[] = {xs, &beyond}, *out[] = {result};
  Status status = executable->run(in, out);
  EXPECT_EQ(status.code(), StatusCode::OutOfRange) << status.message();
  EXPECT_EQ(status.origin(), 1);
}

TEST(Compile, MalformedTracesAreRefused) {
  Words words = {7, 7, 7};
  auto compiled = compileTrace(words, {0}, interpreter(), {});
  EXPECT_EQ(compiled.status().code(), StatusCode::InvalidArgument);
  EXPECT_NE(compiled.status().message().find("trace is malformed at word 0 of 3"), std::string::npos);
}

TEST(Compile, UnknownBackendsAreNamed) {
  auto found = findBackend("tpu");
  EXPECT_EQ(found.status().code(), StatusCode::InvalidArgument);
  EXPECT_NE(found.status().message().find("found backend 'tpu', wanted one of"), std::string::npos);
}

} // namespace
