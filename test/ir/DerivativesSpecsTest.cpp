// SPDX-License-Identifier: Apache-2.0
// Derivatives and decompositions have the right types, for constant and symbolic shapes and every float dtype, to the
// second order; and no op is forgotten.
#include "test/ir/RuleCases.h"
#include "test/ir/SpecBuilder.h"
#include <gtest/gtest.h>
#include <map>
#include <set>

using namespace tinyfin;
using namespace tinyfin::fin;
using namespace tinyfin::fin::test;

namespace {

std::set<OpId> opsWithCases(const std::vector<RuleCase> &cases) {
  std::set<OpId> ops;
  for (const RuleCase &example : cases) ops.insert(example.op);
  return ops;
}

std::vector<RuleCase> allCases() {
  std::vector<RuleCase> cases = ruleCases();
  cases.insert(cases.end(), symbolicRuleCases().begin(), symbolicRuleCases().end());
  return cases;
}

Refs emitCase(SpecBuilder &b, const RuleCase &example, Refs &operands) {
  for (const Sample &sample : example.operands) operands.push_back(b.leaf(sample.spec, {}));
  return b.emit(example.op, example.attrs, operands);
}

Refs floatsOf(SpecBuilder &b, const Refs &values) {
  Refs floats;
  for (Ref value : values)
    if (isFloat(b.dtypeOf(value))) floats.push_back(value);
  return floats;
}

Refs leavesLike(SpecBuilder &b, const Refs &values) {
  Refs leaves;
  for (Ref value : values) leaves.push_back(value ? b.leaf(b.specOf(value), {}) : value);
  return leaves;
}

TEST(DerivativesSpecs, EveryDifferentiableOpHasACase) {
  for (const auto &ops : {opsWithCases(ruleCases()), opsWithCases(symbolicRuleCases())})
    for (int i = 0; i < kNumOps; ++i) {
      const OpInfo &info = infoOf(static_cast<OpId>(i));
      bool wanted = info.vjp || info.decompose;
      EXPECT_TRUE(!wanted || ops.count(static_cast<OpId>(i))) << info.name << " has no entry in test/ir/RuleCases.cpp";
    }
}

/// dropout has none in its probability, and that of max_pool2d_grad in x is zero.
bool hasDerivative(OpId op, size_t operand) {
  return op == OpId::Dropout ? operand == 0 : op == OpId::MaxPool2dGrad ? operand == 1 : true;
}

void checkFirstAndSecondOrder(const RuleCase &example) {
  SpecBuilder b;
  Refs operands, results = emitCase(b, example, operands), floats = floatsOf(b, operands);
  Refs cotangents = leavesLike(b, results);
  Refs first = b.pullBack(results, cotangents, floats);
  for (size_t i = 0; i < floats.size(); ++i) {
    ASSERT_EQ(static_cast<bool>(first[i]), hasDerivative(example.op, i)) << "of operand " << i;
    if (first[i]) EXPECT_EQ(b.specOf(first[i]).str(), b.specOf(floats[i]).str()) << "of operand " << i;
  }
  Refs wanted = floats;
  wanted.append(cotangents.begin(), cotangents.end());
  Refs second = b.pullBack(first, leavesLike(b, first), wanted);
  for (size_t i = 0; i < wanted.size(); ++i)
    if (second[i]) EXPECT_EQ(b.specOf(second[i]).str(), b.specOf(wanted[i]).str()) << "second order, of value " << i;
}

TEST(DerivativesSpecs, CotangentsHaveTheTypesOfTheirOperands) {
  for (DType dtype : {DType::F64, DType::F32, DType::BF16, DType::F16})
    for (const RuleCase &example : allCases()) {
      if (!infoOf(example.op).vjp) continue;
      SCOPED_TRACE(example.as(dtype).name());
      ASSERT_NO_THROW(checkFirstAndSecondOrder(example.as(dtype)));
    }
}

/// What eager backward records costs time even when nobody uses it.
TEST(DerivativesSpecs, RulesEmitNothingThatIsNotUsed) {
  for (const RuleCase &example : ruleCases())
    for (size_t i = 0; i < example.operands.size(); ++i) {
      if (!infoOf(example.op).vjp || !isFloat(example.operands[i].spec.dtype)) continue;
      SCOPED_TRACE(example.name() + ", operand " + std::to_string(i));
      SpecBuilder b;
      Refs operands, results = emitCase(b, example, operands);
      Refs cotangents(results.size(), Ref());
      cotangents[0] = b.leaf(b.specOf(results[0]), {});
      std::set<const void *> used{b.pullBack(results, cotangents, operands[i])[0].handle};
      for (size_t k = b.steps.size(); k-- > 1;) {
        const Step &step = b.steps[k];
        EXPECT_TRUE(llvm::any_of(step.results, [&](Ref ref) { return used.count(ref.handle); }))
            << infoOf(step.op).name;
        for (Ref operand : step.operands) used.insert(operand.handle);
      }
    }
}

/// What is saved stays in memory from forward to backward.
TEST(DerivativesSpecs, EverySavedValueIsReadBySomeRule) {
  std::map<OpId, std::pair<uint64_t, uint64_t>> read; // bits of operands and of results
  for (const RuleCase &example : ruleCases()) {
    SpecBuilder b;
    Refs operands, results = emitCase(b, example, operands);
    b.pullBack(results, leavesLike(b, results), floatsOf(b, operands));
    auto &[ofOperands, ofResults] = read[example.op];
    for (const Step &step : llvm::ArrayRef<Step>(b.steps).drop_front())
      for (Ref value : step.operands) {
        for (size_t i = 0; i < operands.size(); ++i) ofOperands |= static_cast<uint64_t>(operands[i] == value) << i;
        for (size_t i = 0; i < results.size(); ++i) ofResults |= static_cast<uint64_t>(results[i] == value) << i;
      }
  }
  for (const auto &[op, bits] : read) {
    EXPECT_EQ(bits.first, infoOf(op).savedOperands) << infoOf(op).name;
    EXPECT_EQ(bits.second, infoOf(op).savedResults) << infoOf(op).name;
  }
}

TEST(DecompositionsSpecs, ResultsHaveTheTypesOfTheCompositeAndAreMadeOfSimplerOps) {
  for (DType dtype : {DType::F64, DType::F32, DType::BF16, DType::F16})
    for (const RuleCase &example : allCases()) {
      if (!infoOf(example.op).decompose) continue;
      SCOPED_TRACE(example.as(dtype).name());
      SpecBuilder b;
      Refs operands, results = emitCase(b, example.as(dtype), operands), simpler;
      ASSERT_NO_THROW(simpler = b.decompose(Step(b.steps[0])));
      ASSERT_EQ(simpler.size(), results.size());
      for (size_t i = 0; i < results.size(); ++i) EXPECT_EQ(b.specOf(simpler[i]).str(), b.specOf(results[i]).str());
      for (size_t i = 1; i < b.steps.size(); ++i) EXPECT_NE(b.steps[i].op, example.op);
    }
}

TEST(DerivativesSpecs, ConcatOfManyGivesToEachThatNeedsIt) {
  SpecBuilder b;
  Refs pieces;
  for (int64_t i = 0; i < 70; ++i) pieces.push_back(b.leaf({DType::F32, {Dim(i % 3)}}, {}));
  Ref joined = b.concat(pieces, 0);
  Refs cotangent{b.leaf(b.specOf(joined), {})};
  Refs found = b.pullBack(joined, cotangent, {pieces[2], pieces[62], pieces[64], pieces[69]});
  for (Ref piece : found) ASSERT_TRUE(piece);
  EXPECT_EQ(b.specOf(found[1]).dims, Dims{2});
  EXPECT_EQ(b.specOf(found[2]).dims, Dims{1});
  EXPECT_FALSE(b.pullBack(joined, cotangent, {pieces[64], b.leaf({}, {})})[1]);
}

TEST(DerivativesSpecs, WeightOfBatchedMatmulIsOneProductOfAllRows) {
  for (Dim batch : {Dim(8), Dim::symbol("N")}) {
    SpecBuilder b;
    Ref x = b.leaf({DType::F32, {batch, 16, 4}}, {}), weight = b.leaf({DType::F32, {4, 5}}, {});
    Ref y = b.matmul(x, weight, false, false);
    b.pullBack({y}, {b.leaf(b.specOf(y), {})}, {weight});
    const Step &last = b.steps.back();
    EXPECT_EQ(last.op, OpId::Matmul);
    EXPECT_EQ(b.specOf(last.operands[0]).dims, (Dims{*multiply(batch, 16), 4}));
  }
}

TEST(DerivativesSpecs, NoMatmulDerivativeTransposesInMemory) {
  for (const RuleCase &example : ruleCases()) {
    if (example.op != OpId::Matmul) continue;
    SpecBuilder b;
    Refs operands, results = emitCase(b, example, operands);
    b.pullBack(results, leavesLike(b, results), operands);
    for (const Step &step : b.steps) EXPECT_NE(step.op, OpId::Transpose) << example.name();
  }
}

} // namespace
