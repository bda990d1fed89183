// SPDX-License-Identifier: Apache-2.0
// Every derivative rule against central finite differences in f64, to the second order; and the values that
// conventions fix where functions have kinks.
#include "test/ir/EagerBuilder.h"
#include "test/ir/RuleCases.h"
#include <functional>
#include <gtest/gtest.h>

using namespace tinyfin;
using namespace tinyfin::fin;
using namespace tinyfin::fin::test;

namespace {

using Values = std::vector<double>;

/// A leaf and what it holds, so that a graph can be built again from changed values.
struct Leaf {
  TensorSpec spec;
  Values values;
  bool isVaried = false; // differentiated by
};

bool isVaried(const RuleCase &example, size_t operand) {
  return isFloat(example.operands[operand].spec.dtype) && !(example.op == OpId::Dropout && operand == 1);
}

/// A function of leaves: it builds its outputs from theirs.
using Graph = std::function<Refs(EagerBuilder &, llvm::ArrayRef<Ref>)>;

Refs build(EagerBuilder &b, const std::vector<Leaf> &leaves) {
  Refs refs;
  for (const Leaf &leaf : leaves) refs.push_back(b.leaf(leaf.spec, leaf.values));
  return refs;
}

/// sum(weights * outputs)
double weighted(const Graph &graph, const std::vector<Leaf> &leaves, const std::vector<Values> &weights) {
  EagerBuilder b;
  Refs outputs = graph(b, build(b, leaves));
  double total = 0;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!outputs[i]) continue;
    Values values = b.valuesOf(outputs[i]);
    for (size_t k = 0; k < values.size(); ++k) total += weights[i][k] * values[k];
  }
  EXPECT_TRUE(b.status.isOk()) << b.status.message();
  return total;
}

/// Compares the cotangents that reverse mode gives with differences of sum(weights * outputs).
void checkPullBack(const Graph &graph, std::vector<Leaf> leaves, std::mt19937 &random, double step) {
  EagerBuilder b;
  Refs refs = build(b, leaves), outputs = graph(b, refs), cotangents, wanted;
  std::vector<Values> weights;
  for (Ref output : outputs) {
    weights.push_back(output ? draw(random, {b.specOf(output)}) : Values());
    cotangents.push_back(output ? b.leaf(b.specOf(output), weights.back()) : output);
  }
  for (size_t i = 0; i < leaves.size(); ++i)
    if (leaves[i].isVaried) wanted.push_back(refs[i]);
  Refs found = b.pullBack(outputs, cotangents, wanted);
  for (size_t i = 0, k = 0; i < leaves.size(); ++i) {
    if (!leaves[i].isVaried) continue;
    Ref cotangent = found[k++];
    Values slopes = cotangent ? b.valuesOf(cotangent) : Values(leaves[i].values.size());
    ASSERT_EQ(slopes.size(), leaves[i].values.size());
    for (size_t e = 0; e < slopes.size(); ++e) {
      std::vector<Leaf> up = leaves, down = leaves;
      up[i].values[e] += step, down[i].values[e] -= step;
      double expected = (weighted(graph, up, weights) - weighted(graph, down, weights)) / (2 * step);
      EXPECT_NEAR(slopes[e], expected, 2e-6 * (1 + std::abs(expected))) << "leaf " << i << ", element " << e;
    }
  }
  EXPECT_TRUE(b.status.isOk()) << b.status.message();
}

std::vector<Leaf> leavesOf(const RuleCase &example, std::mt19937 &random) {
  std::vector<Leaf> leaves;
  for (size_t i = 0; i < example.operands.size(); ++i)
    leaves.push_back({example.operands[i].spec, draw(random, example.operands[i]), isVaried(example, i)});
  return leaves;
}

class Derivatives : public testing::TestWithParam<size_t> {};

/// One result at a time: the cotangents of the others are null, as those of statistics usually are.
TEST_P(Derivatives, FirstOrderIsTheLimitOfDifferences) {
  const RuleCase &example = ruleCases()[GetParam()];
  SCOPED_TRACE(example.name());
  for (size_t i = 0; i < infoOf(example.op).results.size(); ++i) {
    std::mt19937 random(7);
    Graph graph = [&](EagerBuilder &b, llvm::ArrayRef<Ref> leaves) {
      return Refs{b.emit(example.op, example.attrs, leaves)[i]};
    };
    checkPullBack(graph, leavesOf(example, random), random, example.step);
  }
}

/// The first-order cotangents as a function of the operands and of the results' cotangents.
TEST_P(Derivatives, SecondOrderIsTheLimitOfDifferences) {
  const RuleCase &example = ruleCases()[GetParam()];
  SCOPED_TRACE(example.name());
  std::mt19937 random(11);
  std::vector<Leaf> leaves = leavesOf(example, random);
  size_t numOperands = leaves.size();
  SpecBuilder types;
  Refs operands;
  for (const Leaf &leaf : leaves) operands.push_back(types.leaf(leaf.spec, {}));
  for (Ref result : types.emit(example.op, example.attrs, operands))
    leaves.push_back({types.specOf(result), draw(random, {types.specOf(result)}), true});
  Graph graph = [&](EagerBuilder &b, llvm::ArrayRef<Ref> leaves) {
    Refs results = b.emit(example.op, example.attrs, leaves.take_front(numOperands)), wanted;
    for (size_t i = 0; i < numOperands; ++i)
      if (isVaried(example, i)) wanted.push_back(leaves[i]);
    return b.pullBack(results, leaves.drop_front(numOperands), wanted);
  };
  checkPullBack(graph, leaves, random, example.step);
}

std::vector<size_t> differentiableCases() {
  std::vector<size_t> places;
  for (size_t i = 0; i < ruleCases().size(); ++i)
    if (infoOf(ruleCases()[i].op).vjp) places.push_back(i);
  return places;
}
INSTANTIATE_TEST_SUITE_P(AllOps, Derivatives, testing::ValuesIn(differentiableCases()), [](const auto &info) {
  return std::string(infoOf(ruleCases()[info.param].op).mnemonic) + "_" + std::to_string(info.param);
});

/// The cotangents of f64 vectors, where the result's cotangent is 1 everywhere.
std::vector<Values> cotangentsOf(OpId op, const std::vector<Values> &operands, const Words &attrs = {}) {
  EagerBuilder b;
  Refs refs;
  for (const Values &values : operands)
    refs.push_back(b.leaf({DType::F64, {static_cast<int64_t>(values.size())}}, values));
  Refs results = b.emit(op, attrs, refs);
  Ref ones = b.full(b.scalar(1, DType::F64), Dims(b.dimsOf(results[0])));
  std::vector<Values> found;
  for (Ref cotangent : b.pullBack(results, {ones}, refs)) found.push_back(b.valuesOf(cotangent));
  return found;
}

TEST(DerivativesAtKinks, MaximumAndMinimumShareTies) {
  std::vector<Values> operands = {{1, 2, 3}, {2, 2, 2}};
  EXPECT_EQ(cotangentsOf(OpId::Maximum, operands), (std::vector<Values>{{0, 0.5, 1}, {1, 0.5, 0}}));
  EXPECT_EQ(cotangentsOf(OpId::Minimum, operands), (std::vector<Values>{{1, 0.5, 0}, {0, 0.5, 1}}));
}

TEST(DerivativesAtKinks, ExtremesShareTiesEvenly) {
  Words all;
  AttrWriter(all).list(std::vector<int64_t>{0}).flag(false);
  EXPECT_EQ(cotangentsOf(OpId::ReduceMax, {{3, 1, 3}}, all), (std::vector<Values>{{0.5, 0, 0.5}}));
  EXPECT_EQ(cotangentsOf(OpId::ReduceMin, {{1, 1, 3, 1}}, all)[0][2], 0);
  EXPECT_NEAR(cotangentsOf(OpId::ReduceMin, {{1, 1, 3, 1}}, all)[0][0], 1.0 / 3, 1e-15);
}

TEST(DerivativesAtKinks, ClampPassesAtItsBounds) {
  EXPECT_EQ(cotangentsOf(OpId::Clamp, {{-2, -1, 0, 1, 2}, {-1, -1, -1, -1, -1}, {1, 1, 1, 1, 1}}),
            (std::vector<Values>{{0, 1, 1, 1, 0}, {1, 0, 0, 0, 0}, {0, 0, 0, 0, 1}}));
}

TEST(DerivativesAtKinks, ClampWithCrossedBoundsIsItsUpperBound) {
  EXPECT_EQ(cotangentsOf(OpId::Clamp, {{-2, 0, 2}, {1, 1, 1}, {-1, -1, -1}}),
            (std::vector<Values>{{0, 0, 0}, {0, 0, 0}, {1, 1, 1}}));
}

TEST(DerivativesAtKinks, ReluAndAbsAreFlatAtZero) {
  EXPECT_EQ(cotangentsOf(OpId::Relu, {{-1, 0, 2}}), (std::vector<Values>{{0, 0, 1}}));
  EXPECT_EQ(cotangentsOf(OpId::Abs, {{-1, 0, 2}}), (std::vector<Values>{{-1, 0, 1}}));
}

TEST(DerivativesAtKinks, PowOfZeroHasNoNaN) {
  EXPECT_EQ(cotangentsOf(OpId::Pow, {{0, 0, 0, 2}, {0, 1, 2, 0}}),
            (std::vector<Values>{{0, 1, 0, 0}, {0, 0, 0, std::log(2.0)}}));
}

} // namespace
