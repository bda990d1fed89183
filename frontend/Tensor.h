// SPDX-License-Identifier: Apache-2.0
// A user's tensor: a mutable cell that points to an immutable Value. In-place methods rebind the cell. A view cell
// knows its base and how it derives from it: reads follow the base's writes, writes go through the base.
#pragma once
#include "frontend/Recorder.h"
#include "frontend/Tape.h"
#include <vector>

namespace tinyfin {

/// How a view derives from its base: one shape op.
struct ViewStep {
  enum Kind : uint8_t { None, Same, Reshape, Transpose, Slice, Broadcast } kind = None;
  Words attrs;                 // the op's attribute words
  std::vector<int64_t> starts; // of a slice
  bool isDetached = false;     // cuts the tape: detach(), .data
  bool isTaped = true;         // made while gradients were recorded

  bool operator==(const ViewStep &other) const = default;
};

class Cell {
public:
  explicit Cell(Var var) : spec(var.spec()), born(++lastBorn), var(std::move(var)) {}
  ~Cell();
  void dispose();

  /// The current value (a view's is derived anew when its base changed) and, for leaves, the edge to `.grad`.
  Var read();
  /// The current value alone.
  ValueRef current() { return base ? read().value : var.value; }
  /// Rebinds to `value` of the same shape and dtype; a view rebinds its base by a slice update. Throws where a write
  /// cannot be (an expanded view, a leaf that requires grad while recording gradients).
  void write(const Var &value);
  /// The same, but false, and nothing is written, where another thread wrote the root meanwhile.
  bool tryWrite(const Var &value);
  /// write() without the checks that keep users from harm: for state the frontend itself updates.
  void rebind(const Var &value);

  bool isLeaf() { return !var.edge && !(base && !view.isDetached && base->read().edge); }
  void setRequiresGrad(bool wanted);
  void attachEdge(Edge edge) { var.edge = std::move(edge); }
  bool isView() const { return base.get() != nullptr; }
  /// Of a view: the cell it derives from, and how.
  Cell &viewed() const { return *base; }
  const ViewStep &viewStep() const { return view; }
  /// The cell that views of this one share their data with.
  Cell &root() { return rootCell ? *rootCell : *this; }

  static uint64_t flagChanges; // stands for the requires_grad of all tensors in use: setting one back restores it
  TensorSpec spec;
  const uint64_t born; // cells are numbered: a capture tells what existed before it
  uint32_t references = 0;
  uint32_t version = 0; // counts rebinds
  bool requiresGrad = false;
  bool wasRead = false;
  Ref<Cell> grad;
  std::string missingGrad; // why `.grad` is absent, for the reader of it
  void *wrapper = nullptr; // the language's object around this cell, while there is one; weak

private:
  friend class Recorder;
  friend class Capture;
  friend class LeafNode;
  friend Ref<Cell> makeView(Cell &base, ViewStep step);
  friend Ref<Cell> makeView(Cell &base, ViewStep step, const TensorSpec &spec, ValueRef current);
  friend class JitProgram;
  static uint64_t lastBorn;
  bool isStale() const { return !var.value || seenVersion != rootCell->version; }
  Var own(); // the current value of a cell that is not stale
  void follow();
  bool tryRebind(Var value);
  Var derive(const Var &from) const;
  Var updatedBase(const Var &old, const Var &update) const;

  Var var;
  Ref<LeafNode> leaf;
  Ref<Cell> base;
  ViewStep view;
  Cell *rootCell = nullptr; // of a view; held by the chain of bases
  uint32_t seenVersion = 0; // of the root
  uint64_t rebindTrace = 0; // the last trace that rebound this cell
};
using Tensor = Ref<Cell>;

inline Tensor makeTensor(Var var) { return Tensor(new Cell(std::move(var))); }
Tensor makeView(Cell &base, ViewStep step);
/// A view whose value is known, or derived when it is read where `current` is null. Records nothing.
Tensor makeView(Cell &base, ViewStep step, const TensorSpec &spec, ValueRef current);

} // namespace tinyfin
