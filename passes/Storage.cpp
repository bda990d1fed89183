// SPDX-License-Identifier: Apache-2.0
// Storage classes: one walk in program order.
#include "passes/Storage.h"
#include "passes/Region.h"
#include "ir/Splat.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace tinyfin::fin {

bool isStaticFunction(func::FuncOp function) {
  auto hasStaticShape = [](Type type) { return cast<ShapedType>(type).hasStaticShape(); };
  for (Operation &op : function.front())
    if (!llvm::all_of(op.getResultTypes(), hasStaticShape)) return false;
  return llvm::all_of(function.getArgumentTypes(), hasStaticShape);
}

int64_t bytesOf(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  return tensor.getNumElements() * static_cast<int64_t>(sizeOf(*dtypeOf(tensor.getElementType())));
}

// A division of integers by a constant other than 0 cannot fail; by anything else it may meet a 0.
static bool mayDivideByZero(DivOp div) {
  if (!cast<ShapedType>(div.getType()).getElementType().isInteger()) return false;
  std::optional<llvm::APInt> divisor = intSplat(div.getRhs());
  return !divisor || divisor->isZero();
}

// Starts that are known to be in range.
static bool isWithin(Value startsValue, llvm::ArrayRef<int64_t> steps, Type whole, Type part) {
  ElementsAttr known;
  if (!matchPattern(startsValue, m_Constant(&known))) return false;
  auto starts = dyn_cast<DenseIntElementsAttr>(known);
  auto from = cast<ShapedType>(whole), to = cast<ShapedType>(part);
  if (!starts || !from.hasStaticShape() || !to.hasStaticShape()) return false;
  for (auto [start, size, step, extent] : llvm::zip(starts.getValues<int64_t>(), to.getShape(), steps, from.getShape())) {
    int64_t last = start + (size - 1) * step;
    if (size && (std::min(start, last) < 0 || std::max(start, last) >= extent)) return false;
  }
  return true;
}

bool mayFail(Operation *op) {
  if (auto slice = dyn_cast<SliceOp>(op)) return !isWithin(slice.getStarts(), slice.getSteps(), slice.getX().getType(), slice.getType());
  if (auto update = dyn_cast<SliceUpdateOp>(op))
    return !isWithin(update.getStarts(), update.getSteps(), update.getType(), update.getUpdate().getType());
  if (auto div = dyn_cast<DivOp>(op)) return mayDivideByZero(div);
  return isa<AssertOp, GatherOp, ScatterAddOp, EmbeddingOp, CrossEntropyOp>(op);
}

std::optional<Size> sizeOfTensor(Type type) {
  std::optional<TensorSpec> spec = specOf(type);
  if (!spec) return std::nullopt;
  Size size{static_cast<int64_t>(sizeOf(spec->dtype)), {}};
  for (Dim dim : spec->dims) {
    if (__builtin_mul_overflow(size.bytes, dim.isConstant() ? dim.constant() : dim.factor(), &size.bytes)) return std::nullopt;
    if (!dim.isConstant()) size.symbols.push_back(dim.symbolName().str());
  }
  llvm::sort(size.symbols);
  return size;
}

bool haveSameShape(Type a, Type b) {
  auto left = cast<RankedTensorType>(a), right = cast<RankedTensorType>(b);
  return left.getShape() == right.getShape() && left.getEncoding() == right.getEncoding();
}

bool isView(Operation *op) { return isa<ReshapeOp, AliasOp>(op); }

// In a map region every op is elementwise or an index transform; the first keep the index, and a read of the whole
// domain by elementwise ops alone is a read at the written index. In a contraction the product reads its operands
// everywhere; what the other ops read of the whole domain is read where the same tile is written.
static bool fusionReadsAtWrittenIndex(FusionOp fusion, unsigned operand) {
  if (fusion.getKind() != "map" && fusion.getKind() != "contraction") return false;
  Value argument = fusion.getBody().getArgument(operand);
  return llvm::all_of(argument.getUsers(), [&](Operation *user) {
    if (isa<YieldOp>(user)) return true;
    return user->hasTrait<Elementwise>() && haveSameShape(user->getResult(0).getType(), argument.getType());
  });
}

bool readsAtWrittenIndex(Operation *op, unsigned operand) {
  if (auto fusion = dyn_cast<FusionOp>(op)) return fusionReadsAtWrittenIndex(fusion, operand);
  if (isa<SliceUpdateOp, ScatterAddOp>(op)) return operand == 0;
  return op->hasTrait<Elementwise>();
}

bool readsInWrittenRow(Operation *op, unsigned operand) {
  auto fusion = dyn_cast<FusionOp>(op);
  auto domainAttr = op->getAttrOfType<DenseI64ArrayAttr>(kDomainAttr), axes = op->getAttrOfType<DenseI64ArrayAttr>(kReducedAxesAttr);
  if (!fusion || fusion.getKind() != "normalization" || !domainAttr || !axes) return false;
  ArrayRef<int64_t> domain = domainAttr.asArrayRef(), reduced = axes.asArrayRef();
  for (auto [i, axis] : llvm::enumerate(reduced)) // ascending
    if (axis != static_cast<int64_t>(domain.size() - reduced.size() + i)) return false;
  Value argument = fusion.getBody().getArgument(operand);
  auto type = cast<RankedTensorType>(argument.getType());
  if (type.getShape() != domain) return false;
  return llvm::all_of(argument.getUsers(), [&](Operation *user) {
    if (isa<YieldOp, SumOp, MeanOp, ReduceMaxOp, ReduceMinOp>(user)) return true;
    return user->hasTrait<Elementwise>() && haveSameShape(user->getResult(0).getType(), type);
  });
}

Storage::Storage(func::FuncOp function) {
  Block &body = function.front();
  for (BlockArgument argument : body.getArguments()) add(argument, Place::Input, argument.getArgNumber(), 0);
  for (Operation &op : body) {
    for (Value operand : op.getOperands()) classes[indices.lookup(operand)].last = opCount;
    if (op.hasTrait<OpTrait::IsTerminator>())
      visitReturn(op, opCount);
    else
      visit(op, opCount);
    ++opCount;
  }
}

void Storage::add(Value root, Place place, unsigned number, unsigned at) {
  indices.try_emplace(root, classes.size());
  StorageClass &added = classes.emplace_back();
  added.place = place, added.number = number, added.root = root, added.first = added.last = at;
}

void Storage::visit(Operation &op, unsigned at) {
  if (isa<ConstantOp>(op)) return add(op.getResult(0), Place::Constant, constants++, at);
  if (isView(&op)) {
    indices.try_emplace(op.getResult(0), indices.lookup(op.getOperand(0)));
    return;
  }
  auto offsets = op.getAttrOfType<DenseI64ArrayAttr>(kOffsetsAttr);
  for (auto [i, result] : llvm::enumerate(op.getResults())) {
    add(result, Place::Arena, 0, at);
    if (offsets && i < static_cast<size_t>(offsets.size())) classes.back().offset = offsets[i];
  }
}

void Storage::visitReturn(Operation &op, unsigned at) {
  for (auto [output, value] : llvm::enumerate(op.getOperands())) {
    StorageClass &held = classes[indices.lookup(value)];
    if (held.place == Place::Arena)
      held.place = Place::Output, held.number = output;
    else
      outputCopies.push_back({value, static_cast<unsigned>(output)});
  }
}

} // namespace tinyfin::fin
