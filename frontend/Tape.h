// SPDX-License-Identifier: Apache-2.0
// What backward() walks: one node an op whose result wants a gradient. Nodes hold Values, never cells, so later
// in-place writes cannot change what was saved; the rules are those of ir/derivatives.
#pragma once
#include "frontend/Value.h"
#include "ir/OpTable.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "runtime/Attrs.h"

namespace tinyfin {

using fin::OpId;
class Cell;
class Node;

/// Result `index` of `node`; null node: no gradient wanted.
struct Edge {
  Ref<Node> node;
  uint32_t index = 0;
  explicit operator bool() const { return bool(node); }
};

/// A value and where its gradient goes.
struct Var {
  ValueRef value;
  Edge edge;
  const TensorSpec &spec() const { return value->spec; }
  explicit operator bool() const { return bool(value); }
};
using Vars = llvm::SmallVector<Var, 4>;

class Node {
public:
  virtual ~Node() = default;
  /// Cotangents of the operands in the order of `next` (null where there is none) from those of the results.
  virtual Vars apply(llvm::ArrayRef<Var> cotangents, bool createGraph) = 0;
  virtual void free() = 0; // drops what was saved
  virtual const char *name() const = 0;
  /// A walk for chosen inputs does not go beyond it.
  virtual bool isBoundary() const { return false; }
  void dispose();

  uint64_t sequence = 0; // later nodes have larger numbers: walking them downwards is a topological order
  uint32_t references = 0;
  llvm::SmallVector<Edge, 3> next;
  llvm::SmallVector<TensorSpec, 1> resultSpecs;
};

/// An op's node: op id, attributes and the values its rule reads.
class OpNode final : public Node {
public:
  Vars apply(llvm::ArrayRef<Var> cotangents, bool createGraph) override;
  void free() override;
  const char *name() const override { return fin::infoOf(op).mnemonic; }

  OpId op;
  bool freed = false;
  Words attrs;
  llvm::SmallVector<TensorSpec, 3> operandSpecs;
  llvm::SmallVector<ValueRef, 3> savedOperands, savedResults;
};

/// The end of the walk: adds to `.grad` of a leaf, unless the cell is gone.
class LeafNode final : public Node {
public:
  explicit LeafNode(Cell *cell) : cell(cell) {} // sequence 0: after all contributions
  Vars apply(llvm::ArrayRef<Var> cotangents, bool createGraph) override;
  void free() override {}
  const char *name() const override { return "accumulate_grad"; }
  Cell *cell; // weak: the cell clears it
};

bool isGradEnabled();
/// Sets the mode of this thread and returns what it was.
bool setGradEnabled(bool enabled);
class GradMode {
public:
  explicit GradMode(bool enabled) : previous(setGradEnabled(enabled)) {}
  ~GradMode() { setGradEnabled(previous); }
  GradMode(const GradMode &) = delete;

private:
  bool previous;
};

uint64_t nextSequence();

/// Records an op and, when a gradient can flow, its node.
Vars applyOp(OpId op, llvm::ArrayRef<int64_t> attrs, llvm::ArrayRef<Var> operands);
/// The same for a random op given without its state and offset.
Vars applyRandomOp(OpId op, Words attrs, llvm::ArrayRef<Var> operands);

/// The same value with a node of its own, so that gradients can be asked for here.
Var identity(Var var);

/// Runs the tape from `roots` with the given cotangents (null: ones, allowed for one element). With `inputs` empty,
/// adds to the leaves' `.grad`; else returns the inputs' gradients (null: not reached) and leaves `.grad` alone.
Vars runBackward(llvm::ArrayRef<Var> roots, llvm::ArrayRef<Var> cotangents, llvm::ArrayRef<Edge> inputs,
                 bool retainGraph, bool createGraph);

} // namespace tinyfin
