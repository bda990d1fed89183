// SPDX-License-Identifier: Apache-2.0
#include "passes/RegionGraph.h"
#include "passes/Region.h"

using namespace mlir;

namespace tinyfin::fin {

RegionNode *RegionGraph::entryOf(Operation *op) {
  auto [entry, isNew] = entries.try_emplace(op, nullptr);
  if (isNew) entry->second = new (memory.Allocate()) RegionNode(op);
  return entry->second;
}

/// Shapes of static types are the types' own; others are put together, and live as long as the graph.
Extents RegionGraph::shapeOf(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  if (!type.getEncoding()) return type.getShape();
  SmallVector<int64_t> &shape = made.emplace_back();
  TensorSpec spec = *specOf(type); // not in the loop's head: it would be gone before the body
  for (Dim dim : spec.dims) shape.push_back(dim.word());
  return shape;
}

void RegionGraph::fill(RegionNode &node) {
  Operation *op = node.op;
  node.isKnown = true;
  node.isElementwise = op->hasTrait<Elementwise>();
  node.isReduction = fin::isReduction(op);
  node.isTransform = fin::isTransform(op);
  node.isRandom = fin::isRandom(op);
  node.isContractible = fin::isContractible(op);
  node.isCopied = isCopiedIntoRegions(op);
  node.isView = node.isCopied || isa<ReshapeOp>(op);
  if (op->getNumResults()) node.shape = shapeOf(op->getResult(0));
  for (OpOperand &use : op->getOpOperands()) {
    Value operand = use.get(); // null: what it read is in a region now, with the copy
    Operation *producer = operand ? operand.getDefiningOp() : nullptr;
    node.operands.push_back({&use, producer ? entryOf(producer) : nullptr, operand ? shapeOf(operand) : Extents()});
  }
  if (!node.isReduction) return;
  node.axes = op->getAttrOfType<DenseI64ArrayAttr>("axes").asArrayRef();
  if (!llvm::is_sorted(node.axes)) llvm::sort(made.emplace_back(node.axes)), node.axes = made.back();
}

llvm::ArrayRef<RegionNode *> RegionGraph::usersOf(RegionNode *node) {
  if (!node->hasUsers)
    for (Operation *user : node->op->getUsers()) node->users.push_back(nodeOf(user));
  node->hasUsers = true;
  return node->users;
}

} // namespace tinyfin::fin
