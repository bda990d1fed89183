// SPDX-License-Identifier: Apache-2.0
// A graph builder for tests: it keeps types and the list of ops, and can run that list backwards.
#pragma once
#include "ir/GraphBuilder.h"
#include <deque>

namespace tinyfin::fin::test {

/// One emitted op.
struct Step {
  OpId op;
  Words attrs;
  Refs operands, results;
};

class SpecBuilder : public GraphBuilder {
public:
  Refs emit(OpId op, llvm::ArrayRef<int64_t> attrs, llvm::ArrayRef<Ref> operands) override;
  const TensorSpec &specOf(Ref value) override;
  Ref scalar(double value, DType dtype) override { return leaf({dtype, {}}, {value}); }
  Ref indexVector(llvm::ArrayRef<int64_t> items) override;

  /// A value that no op made; `values` may be empty where values do not matter.
  virtual Ref leaf(const TensorSpec &spec, llvm::ArrayRef<double> values) { return newValue(spec); }
  /// The cotangents of `wanted` (null: zero), given those of `outputs`: reverse mode over all steps so far. Rules
  /// see the operands and results that their op's definition saves, and no others.
  Refs pullBack(llvm::ArrayRef<Ref> outputs, llvm::ArrayRef<Ref> cotangents, llvm::ArrayRef<Ref> wanted);
  /// The results of the op's decomposition.
  Refs decompose(const Step &step);

  std::vector<Step> steps;

protected:
  /// Fills what emit() made; nothing where only types matter.
  virtual void compute(const Step &step) {}
  Ref newValue(const TensorSpec &spec);

private:
  std::vector<TensorSpec> specsOf(llvm::ArrayRef<Ref> values);
  Refs applyVjp(const Step &step, llvm::ArrayRef<Ref> cotangents, uint64_t needed);
  std::deque<TensorSpec> specs; // a Ref is the address of its entry
};

} // namespace tinyfin::fin::test
