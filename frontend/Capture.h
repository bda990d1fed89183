// SPDX-License-Identifier: Apache-2.0
// Records a function's body on real inputs: which cells from outside it reads and rebinds, where each input of its
// graph comes from, and why it cannot be compiled if it cannot.
#pragma once
#include "frontend/Tensor.h"
#include "llvm/ADT/DenseMap.h"

namespace tinyfin {

/// Where an input of a captured graph comes from at each call.
struct Source {
  enum Kind : uint8_t {
    Arg,         // a tensor argument, by number
    Outside,     // a cell the body reads, by number in Capture::outside
    Constant,    // a tensor made inside from data
    Number,      // a Python number inside the body: its bits
    NumberArg,   // a number argument, by number
    RandomState, // seed and counter at the call
    Cotangent,   // of a result, by number (backward graphs)
  } kind = Constant;
  uint32_t index = 0;
  ValueRef constant;
  Words number;
  uint32_t op = 0; // the first op after it, for its line
};

/// A cell that existed before the call and that the body touched.
struct OutsideCell {
  Tensor cell;
  int32_t gradOf = -1;     // this is `.grad` of that outside cell or argument, found anew at each call
  bool gradOfArg = false;
  bool hadGrad = false;
  Tensor grad; // at entry
  bool anyGrad = false; // whether `.grad` exists makes no difference
};

class Capture {
public:
  /// Flushes what is pending and makes the capture's recorder this thread's.
  Capture(llvm::ArrayRef<Tensor> args, bool fullgraph, const Modes &modes = {});
  ~Capture();
  Capture(const Capture &) = delete;

  /// A number argument's slot in the graph, for the object that stands for it inside the body.
  ValueRef numberArgument(uint32_t index, int64_t bits, DType dtype);

  void noteRead(Cell &cell);
  void noteGrad(Cell &cell); // `.grad` is about to change
  void noteStep() { steps = true; }
  /// The body did what no graph can hold; with fullgraph a UserError. Recording goes on as ordinary deferred eager.
  void demote(const std::string &reason);
  bool isDemoted() const { return !whyDemoted.empty(); }
  const std::string &reason() const { return whyDemoted; }
  /// Gives the thread its own recorder back. After it the graph is complete.
  void leave();
  /// For a body that raised: everything recorded is computed as if it had not been captured.
  void abandon();
  /// Takes back what the body did to tensors from outside, gradients and the random state included.
  void restore();
  /// restore(), and nothing is computed: what the body made is lost.
  void undo();

  /// Whether arguments have no values: what is read from outside becomes a constant.
  bool isExport() const { return llvm::any_of(args, [](const Tensor &arg) { return arg->var.value->state == ValueState::Placeholder; }); }
  bool isInside(const Cell &cell) const { return cell.born >= firstInside; }
  /// Something that something outside could still see although later calls will not make it: where it was made, and
  /// what it is. Empty: nothing. `returned` are the tensors in the result.
  std::string escape(llvm::ArrayRef<Tensor> returned) const;
  /// " (file:line)" of the op that made the tensor's value, or "".
  std::string lineOf(Cell &cell) const;
  /// Whether the body moved the generator other than by drawing.
  bool movedGenerator() const;

  /// Calls f(number, isArg, edge) for every argument and outside cell that a gradient can flow to.
  template <class F> void forEachDifferentiable(F &&f) {
    auto visit = [&](Cell &cell, uint32_t index, bool isArg) {
      if (Edge edge = edgeInside(cell)) f(index, isArg, edge);
    };
    for (size_t i = 0; i < args.size(); ++i) visit(*args[i], static_cast<uint32_t>(i), true);
    for (size_t i = 0; i < outside.size(); ++i)
      if (outside[i].gradOf < 0) visit(*outside[i].cell, static_cast<uint32_t>(i), false);
  }

  Recorder recorder;
  llvm::SmallVector<Tensor> args;
  llvm::SmallVector<Tensor> argGrads; // at entry
  std::vector<OutsideCell> outside;
  bool steps = false; // an optimizer stepped inside

private:
  friend class JitProgram;
  struct Origin {
    Source::Kind kind;
    uint32_t index;
  };
  void know(Cell &cell, Origin origin);
  std::string lineOfSlot(uint32_t slot) const;
  Edge edgeInside(Cell &cell);
  /// Outer edges of cells read inside, replaced by boundaries until leave().
  struct Boundary {
    Tensor cell;
    Edge inside, outer;
  };
  llvm::SmallVector<Boundary> boundaries;

  llvm::DenseMap<Cell *, Origin> cells;
  llvm::DenseMap<Value *, Origin> values;
  struct NumberSlot {
    uint32_t slot, index;
  };
  llvm::SmallVector<NumberSlot> numberSlots;
  uint64_t firstInside;
  int64_t seedAtEntry, counterAtEntry;
  std::string whyDemoted;
  bool fullgraph, left = false;
  Recorder *previous = nullptr;
};

} // namespace tinyfin
