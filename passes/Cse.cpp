// SPDX-License-Identifier: Apache-2.0
// Common subexpressions of a block, in one walk. MLIR's own pass serves any region tree and looks at effects, dominance
// and properties; here there is one block, and an op is its name, operands, attribute dictionary and result types.
#include "llvm/ADT/DenseSet.h"
#include "passes/Passes.h"

using namespace mlir;

namespace tinyfin::fin {

#define GEN_PASS_DEF_CSEPASS
#include "passes/Passes.h.inc"

namespace {

/// Operands in an order that does not matter: of two only, as ops of the dialect that commute have.
std::pair<Value, Value> ordered(Operation *op) {
  Value a = op->getOperand(0), b = op->getOperand(1);
  return a.getAsOpaquePointer() < b.getAsOpaquePointer() ? std::pair(a, b) : std::pair(b, a);
}
bool commutes(Operation *op) { return op->getNumOperands() == 2 && op->hasTrait<OpTrait::IsCommutative>(); }

struct SameComputation {
  static Operation *getEmptyKey() { return llvm::DenseMapInfo<Operation *>::getEmptyKey(); }
  static Operation *getTombstoneKey() { return llvm::DenseMapInfo<Operation *>::getTombstoneKey(); }
  static unsigned getHashValue(const Operation *constant) {
    auto *op = const_cast<Operation *>(constant);
    llvm::hash_code hash = llvm::hash_combine(op->getName(), op->getDiscardableAttrDictionary(), op->getNumResults());
    if (op->getNumResults()) hash = llvm::hash_combine(hash, op->getResult(0).getType());
    if (commutes(op)) return llvm::hash_combine(hash, ordered(op).first, ordered(op).second);
    for (Value operand : op->getOperands()) hash = llvm::hash_combine(hash, operand);
    return hash;
  }
  static bool isEqual(const Operation *left, const Operation *right) {
    if (left == right) return true;
    auto isKey = [](const Operation *op) { return op == getEmptyKey() || op == getTombstoneKey(); };
    if (isKey(left) || isKey(right)) return false;
    auto *a = const_cast<Operation *>(left), *b = const_cast<Operation *>(right);
    if (a->getName() != b->getName() || a->getDiscardableAttrDictionary() != b->getDiscardableAttrDictionary()) return false;
    if (a->getPropertiesAsAttribute() != b->getPropertiesAsAttribute() || a->getResultTypes() != b->getResultTypes()) return false;
    return commutes(a) ? ordered(a) == ordered(b) : a->getOperands() == b->getOperands();
  }
};

struct Cse : impl::CsePassBase<Cse> {
  void runOnOperation() override {
    Block &block = getOperation().front();
    llvm::DenseSet<Operation *, SameComputation> known;
    known.reserve(block.getOperations().size());
    for (Operation &op : llvm::make_early_inc_range(block.without_terminator())) {
      if (op.getNumRegions() || !isMemoryEffectFree(&op)) continue;
      if (op.use_empty()) {
        op.erase();
        continue;
      }
      auto [first, isNew] = known.insert(&op);
      if (isNew) continue;
      op.replaceAllUsesWith(*first);
      op.erase();
    }
  }
};

} // namespace
} // namespace tinyfin::fin
