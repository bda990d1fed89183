// SPDX-License-Identifier: Apache-2.0
// Emission by shape rules, and reverse mode by derivative rules.
#include "test/ir/SpecBuilder.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include <stdexcept>

namespace tinyfin::fin::test {

Ref SpecBuilder::newValue(const TensorSpec &spec) {
  specs.push_back(spec);
  return {&specs.back()};
}

const TensorSpec &SpecBuilder::specOf(Ref value) {
  if (!value) throw std::runtime_error("a rule used a value that its op does not save");
  return *static_cast<const TensorSpec *>(value.handle);
}

Ref SpecBuilder::indexVector(llvm::ArrayRef<int64_t> items) {
  return leaf({DType::I64, {static_cast<int64_t>(items.size())}}, std::vector<double>(items.begin(), items.end()));
}

std::vector<TensorSpec> SpecBuilder::specsOf(llvm::ArrayRef<Ref> values) {
  std::vector<TensorSpec> all;
  for (Ref value : values) all.push_back(specOf(value));
  return all;
}

Refs SpecBuilder::emit(OpId op, llvm::ArrayRef<int64_t> attrs, llvm::ArrayRef<Ref> operands) {
  llvm::SmallVector<TensorSpec> results;
  std::string error;
  if (llvm::failed(inferResults(op, specsOf(operands), attrs, results, error)))
    throw std::runtime_error(std::string(infoOf(op).name) + ": " + error);
  Step step{op, Words(attrs.begin(), attrs.end()), Refs(operands.begin(), operands.end()), {}};
  for (const TensorSpec &spec : results) step.results.push_back(newValue(spec));
  compute(step);
  steps.push_back(step);
  return step.results;
}

Refs SpecBuilder::applyVjp(const Step &step, llvm::ArrayRef<Ref> cotangents, uint64_t needed) {
  const OpInfo &info = infoOf(step.op);
  Refs operands = step.operands, results = step.results;
  for (size_t i = 0; i < operands.size(); ++i)
    if (!(info.savedOperands & operandBit(i))) operands[i] = {};
  for (size_t i = 0; i < results.size(); ++i)
    if (!(info.savedResults >> i & 1)) results[i] = {};
  std::vector<TensorSpec> operandSpecs = specsOf(step.operands), resultSpecs = specsOf(step.results);
  RuleContext context{*this, AttrReader(step.attrs), operands, results, cotangents, operandSpecs, resultSpecs, needed,
                      {}};
  context.outputs.resize(operands.size());
  info.vjp(context);
  return context.outputs;
}

Refs SpecBuilder::decompose(const Step &step) {
  std::vector<TensorSpec> operandSpecs = specsOf(step.operands), resultSpecs = specsOf(step.results);
  RuleContext context{*this, AttrReader(step.attrs), step.operands, {}, {}, operandSpecs, resultSpecs, 0, {}};
  infoOf(step.op).decompose(context);
  return context.outputs;
}

Refs SpecBuilder::pullBack(llvm::ArrayRef<Ref> outputs, llvm::ArrayRef<Ref> cotangents, llvm::ArrayRef<Ref> wanted) {
  llvm::DenseSet<const void *> active; // depends on `wanted` in a differentiable way
  for (Ref value : wanted) active.insert(value.handle);
  for (const Step &step : steps)
    if (infoOf(step.op).vjp && llvm::any_of(step.operands, [&](Ref ref) { return active.contains(ref.handle); }))
      for (Ref result : step.results)
        if (isFloat(specOf(result).dtype)) active.insert(result.handle);
  llvm::DenseMap<const void *, Ref> found;
  auto accumulate = [&](Ref value, Ref cotangent) {
    if (!cotangent || !active.contains(value.handle)) return;
    Ref &sum = found[value.handle];
    sum = sum ? add(sum, cotangent) : cotangent;
  };
  for (size_t i = 0; i < outputs.size(); ++i) accumulate(outputs[i], cotangents[i]);
  for (size_t i = steps.size(); i-- > 0;) {
    Step step = steps[i]; // a copy: rules append to `steps`
    Refs ofResults;
    for (Ref result : step.results) ofResults.push_back(found.lookup(result.handle));
    if (llvm::none_of(ofResults, [](Ref ref) { return static_cast<bool>(ref); })) continue;
    uint64_t needed = 0;
    for (size_t k = 0; k < step.operands.size(); ++k)
      if (active.contains(step.operands[k].handle)) needed |= operandBit(k);
    if (!needed) continue;
    Refs ofOperands = applyVjp(step, ofResults, needed);
    for (size_t k = 0; k < step.operands.size(); ++k) accumulate(step.operands[k], ofOperands[k]);
  }
  Refs answers;
  for (Ref value : wanted) answers.push_back(found.lookup(value.handle));
  return answers;
}

} // namespace tinyfin::fin::test
