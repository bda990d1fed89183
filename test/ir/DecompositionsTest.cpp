// SPDX-License-Identifier: Apache-2.0
// Every decomposition gives what the composite's own kernel gives.
#include "test/ir/EagerBuilder.h"
#include "test/ir/RuleCases.h"
#include <cmath>
#include <gtest/gtest.h>

using namespace tinyfin;
using namespace tinyfin::fin;
using namespace tinyfin::fin::test;

namespace {

void checkDecomposition(const RuleCase &example, double tolerance) {
  SCOPED_TRACE(example.name());
  std::mt19937 random(5);
  EagerBuilder b;
  Refs operands;
  for (const Sample &sample : example.operands) operands.push_back(b.leaf(sample.spec, draw(random, sample)));
  Refs whole = b.emit(example.op, example.attrs, operands);
  Refs parts = b.decompose(Step(b.steps.back()));
  ASSERT_EQ(whole.size(), parts.size());
  for (size_t i = 0; i < whole.size(); ++i) {
    std::vector<double> expected = b.valuesOf(whole[i]), found = b.valuesOf(parts[i]);
    for (size_t k = 0; k < expected.size(); ++k)
      EXPECT_NEAR(found[k], expected[k], tolerance * (1 + std::abs(expected[k])))
          << "result " << i << ", element " << k;
  }
  EXPECT_TRUE(b.status.isOk()) << b.status.message();
}

void checkAll(DType dtype, double tolerance) {
  for (const RuleCase &example : ruleCases())
    if (infoOf(example.op).decompose) checkDecomposition(example.as(dtype), tolerance);
}

TEST(Decompositions, EqualTheirKernelsInF64) { checkAll(DType::F64, 1e-13); }
TEST(Decompositions, EqualTheirKernelsInF32) { checkAll(DType::F32, 2e-6); }
TEST(Decompositions, EqualTheirKernelsInBF16) { checkAll(DType::BF16, 1.0 / 128); }
TEST(Decompositions, EqualTheirKernelsInF16) { checkAll(DType::F16, 1.0 / 1024); }

TEST(Decompositions, StayFiniteWhereExponentialsOverflow) {
  for (OpId op : {OpId::Softmax, OpId::LogSoftmax}) {
    EagerBuilder b;
    b.emit(op, /*axis=*/{1}, {b.leaf({DType::F32, {1, 3}}, {1000, -1000, 999})});
    std::vector<double> values = b.valuesOf(b.decompose(Step(b.steps.back()))[0]);
    EXPECT_EQ(values.size(), 3u);
    for (double value : values) EXPECT_TRUE(std::isfinite(value));
  }
}

TEST(Decompositions, CrossEntropyRefusesLabelsOutOfRange) {
  for (double label : {-1.0, 3.0}) {
    EagerBuilder b;
    Ref logits = b.leaf({DType::F32, {2, 3}}, {1, 2, 3, 4, 5, 6}), labels = b.leaf({DType::I64, {2}}, {0, label});
    b.crossEntropy(logits, labels, 1);
    EXPECT_EQ(b.status.code(), StatusCode::OutOfRange);
    Step whole = b.steps.back();
    b.status = Status::ok();
    b.decompose(whole);
    EXPECT_EQ(b.status.code(), StatusCode::OutOfRange);
  }
}

} // namespace
