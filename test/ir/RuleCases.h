// SPDX-License-Identifier: Apache-2.0
// Ops with operands on which derivative rules and decompositions are tried: the one list that the tests share.
#pragma once
#include "ir/OpTable.h"
#include <random>
#include <vector>

namespace tinyfin::fin::test {

/// One operand: what it holds is `values`, or drawn from [low, high).
struct Sample {
  TensorSpec spec;
  double low = -2, high = 2;
  std::vector<double> values = {};
  bool isWide = false; // f32 beside half types
};

/// What a sample with constant extents holds.
std::vector<double> draw(std::mt19937 &random, const Sample &sample);

struct RuleCase {
  OpId op;
  std::vector<Sample> operands;
  Words attrs = {};
  double step = 1e-5; // of finite differences
  /// "fin.add(float64[2, 3], float64[3])"
  std::string name() const;
  /// The same with f64 operands as `dtype`.
  RuleCase as(DType dtype) const;
};

/// All extents are constant: these can be run.
const std::vector<RuleCase> &ruleCases();
/// With symbolic extents.
const std::vector<RuleCase> &symbolicRuleCases();

} // namespace tinyfin::fin::test
