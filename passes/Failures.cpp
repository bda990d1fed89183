// SPDX-License-Identifier: Apache-2.0
#include "passes/Failures.h"
#include "llvm/ADT/DenseSet.h"
#include "passes/Storage.h"

using namespace mlir;

namespace tinyfin::fin {
namespace {

/// Indices and the extent they must be in range of; null where the op checks something else.
std::pair<Value, int64_t> checkOf(Operation *op) {
  auto extent = [](Value value, int64_t axis) { return cast<RankedTensorType>(value.getType()).getDimSize(axis); };
  if (auto gather = dyn_cast<GatherOp>(op)) return {gather.getIndices(), extent(gather.getX(), gather.getAxis())};
  if (auto scatter = dyn_cast<ScatterAddOp>(op)) return {scatter.getIndices(), extent(scatter.getResult(), scatter.getAxis())};
  if (auto embedding = dyn_cast<EmbeddingOp>(op)) return {embedding.getIndices(), extent(embedding.getWeight(), 0)};
  return {};
}

} // namespace

SmallVector<Operation *> findFailures(Block &block) {
  SmallVector<Operation *> failures;
  llvm::DenseSet<std::pair<Value, int64_t>> checked;
  for (Operation &op : block) {
    if (!mayFail(&op)) continue;
    auto [indices, extent] = checkOf(&op);
    bool isNew = !indices || ShapedType::isDynamic(extent) || checked.insert({indices, extent}).second;
    if (isNew) failures.push_back(&op);
  }
  return failures;
}

} // namespace tinyfin::fin
