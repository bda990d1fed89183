// SPDX-License-Identifier: Apache-2.0
// What the analysis of regions wants to know of ops and the ops around them, found once an op: growing groups asks about
// the same ops thousands of times. Holds while the IR is not changed.
#pragma once
#include "ir/Fin.h"
#include <list>

namespace tinyfin::fin {

struct RegionNode;

/// Extents; a symbolic one is its Dim's word, which is negative and equal for equal dims alone.
using Extents = llvm::ArrayRef<int64_t>;

struct RegionOperand {
  mlir::OpOperand *use;
  RegionNode *producer; // null: an argument of the block
  Extents shape;
  mlir::Value value() const { return use->get(); }
};

struct RegionNode {
  static constexpr unsigned kNoNumber = ~0u;
  explicit RegionNode(mlir::Operation *op) : op(op) {}

  mlir::Operation *op;
  bool isKnown = false, hasUsers = false; // what follows is filled in; users are
  bool isElementwise = false, isReduction = false, isTransform = false, isRandom = false, isContractible = false;
  bool isCopied = false, isView = false; // a view here: a reshape or a copied op, which is looked through
  Extents shape; // of the first result
  llvm::SmallVector<RegionOperand, 2> operands;
  Extents axes; // a reduction's, ascending
  llvm::SmallVector<RegionNode *, 2> users;
  unsigned number = kNoNumber; // among the ops that somebody divides into groups

  // Of the analysis that looked at it last.
  enum class Class : uint8_t { Full, Kept, Uniform, Source } cls = Class::Full;
  uint8_t level = 0;                       // how many reductions it depends on, one after the other
  unsigned memberOf = 0, classifiedIn = 0; // numbers of analyses

  mlir::Value result() const { return op->getResult(0); }
};

class RegionGraph {
public:
  RegionNode *nodeOf(mlir::Operation *op) { return known(entryOf(op)); }
  /// What an operand leads to is filled in when it is asked for.
  RegionNode *producerOf(const RegionOperand &operand) { return operand.producer ? known(operand.producer) : nullptr; }
  /// As often as they read it.
  llvm::ArrayRef<RegionNode *> usersOf(RegionNode *node);

  unsigned nextAnalysis() { return ++analyses; }

private:
  RegionNode *entryOf(mlir::Operation *op);
  RegionNode *known(RegionNode *node) {
    if (!node->isKnown) fill(*node);
    return node;
  }
  void fill(RegionNode &node);
  Extents shapeOf(mlir::Value value);

  llvm::SpecificBumpPtrAllocator<RegionNode> memory;
  llvm::DenseMap<mlir::Operation *, RegionNode *> entries;
  std::list<llvm::SmallVector<int64_t>> made; // what types and attributes do not hold themselves
  unsigned analyses = 0;
};

} // namespace tinyfin::fin
