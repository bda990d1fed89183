// SPDX-License-Identifier: Apache-2.0
// Emission into a function, and rules applied to operations.
#include "passes/ValueBuilder.h"

using namespace mlir;

namespace tinyfin::fin {

Refs ValueBuilder::emit(OpId op, llvm::ArrayRef<int64_t> attrs, llvm::ArrayRef<Ref> operands) {
  SmallVector<Value> values = llvm::map_to_vector(operands, valueOf);
  Operation *created = createOp(builder, location, op, values, attrs);
  assert(created && "a rule emitted an op that its shape rule refuses");
  return llvm::map_to_vector<4>(created->getResults(), [](Value result) { return refOf(result); });
}

const TensorSpec &ValueBuilder::specOf(Ref value) {
  std::unique_ptr<TensorSpec> &spec = specs[value.handle];
  if (!spec) spec = std::make_unique<TensorSpec>(*fin::specOf(valueOf(value).getType()));
  return *spec;
}

Ref ValueBuilder::scalar(double value, DType dtype) {
  Type element = elementTypeOf(builder.getContext(), dtype);
  Attribute item;
  if (auto type = dyn_cast<FloatType>(element))
    item = FloatAttr::get(type, value);
  else
    item = IntegerAttr::get(element, APInt(element.getIntOrFloatBitWidth(), static_cast<int64_t>(value),
                                           !element.isUnsignedInteger(), /*implicitTrunc=*/true));
  auto elements = DenseElementsAttr::get(RankedTensorType::get({}, element), item);
  return refOf(ConstantOp::create(builder, location, elements));
}

Ref ValueBuilder::indexVector(llvm::ArrayRef<int64_t> items) {
  auto type = RankedTensorType::get(static_cast<int64_t>(items.size()), builder.getI64Type());
  return refOf(ConstantOp::create(builder, location, DenseElementsAttr::get(type, items)));
}

static SmallVector<TensorSpec> specsOf(ValueBuilder &builder, ValueRange values) {
  return llvm::map_to_vector(values, [&](Value value) { return builder.specOf(ValueBuilder::refOf(value)); });
}

/// Values whose bit is set in `mask`, null in the place of the others.
static Refs maskedRefs(ValueRange values, uint64_t mask) {
  Refs refs;
  for (auto [i, value] : llvm::enumerate(values))
    refs.push_back(mask & operandBit(i) ? ValueBuilder::refOf(value) : Ref());
  return refs;
}

Refs applyVjp(ValueBuilder &builder, Operation *op, llvm::ArrayRef<Ref> cotangents, uint64_t needed) {
  std::optional<OpId> id = opIdOfOperation(op);
  Refs outputs(op->getNumOperands());
  if (!id || !infoOf(*id).vjp) return outputs;
  const OpInfo &info = infoOf(*id);
  Words attrs = wordsOf(op);
  Refs operands = maskedRefs(op->getOperands(), info.savedOperands),
       results = maskedRefs(op->getResults(), info.savedResults);
  SmallVector<TensorSpec> operandSpecs = specsOf(builder, op->getOperands()),
                          resultSpecs = specsOf(builder, op->getResults());
  builder.setLocation(op->getLoc());
  RuleContext context{builder,      AttrReader(attrs), operands, results, cotangents,
                      operandSpecs, resultSpecs,       needed,   outputs};
  info.vjp(context);
  return context.outputs;
}

Refs applyDecomposition(ValueBuilder &builder, Operation *op) {
  std::optional<OpId> id = opIdOfOperation(op);
  if (!id || !infoOf(*id).decompose) return {};
  Words attrs = wordsOf(op);
  Refs operands = maskedRefs(op->getOperands(), ~uint64_t(0));
  SmallVector<TensorSpec> operandSpecs = specsOf(builder, op->getOperands()),
                          resultSpecs = specsOf(builder, op->getResults());
  builder.setLocation(op->getLoc());
  RuleContext context{builder, AttrReader(attrs), operands, {}, {}, operandSpecs, resultSpecs, 0, {}};
  infoOf(*id).decompose(context);
  return context.outputs;
}

} // namespace tinyfin::fin
