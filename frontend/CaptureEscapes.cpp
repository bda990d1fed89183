// SPDX-License-Identifier: Apache-2.0
// Finds what a jitted body leaves behind other than by returning it or writing it to a tensor from outside. Every
// reference to a value of the trace is accounted for: by the cells that the program knows, by their tape, by what a
// failure would go back to. One that is left over belongs to something that later calls, which run no Python, would
// not make again.
#include "frontend/Capture.h"
#include "ir/Trace.h"
#include "llvm/ADT/DenseSet.h"

namespace tinyfin {
namespace {

class References {
public:
  void addCell(Cell *cell, const Var &var, const Ref<Cell> &base) {
    for (; cell && cells.insert(cell).second; cell = nullptr) {
      addVar(var);
      if (base) bases.push_back(base);
    }
  }
  void addVar(const Var &var) {
    if (!var) return;
    ++count[var.value.get()];
    addTape(var.edge);
  }
  bool knows(Cell *cell) const { return cells.contains(cell); }
  uint32_t of(Value *value) const { return count.lookup(value); }
  llvm::SmallVector<Ref<Cell>> bases; // of views, yet to be added

private:
  void addTape(const Edge &from) {
    llvm::SmallVector<Node *> work{from.node.get()};
    while (!work.empty()) {
      Node *node = work.pop_back_val();
      if (!node || node->isBoundary() || !nodes.insert(node).second) continue;
      for (const Edge &edge : node->next) work.push_back(edge.node.get());
      auto *op = dynamic_cast<OpNode *>(node);
      if (!op) continue;
      for (const ValueRef &saved : op->savedOperands) ++count[saved.get()];
      for (const ValueRef &saved : op->savedResults) ++count[saved.get()];
    }
  }

  llvm::DenseSet<Cell *> cells;
  llvm::DenseSet<Node *> nodes;
  llvm::DenseMap<Value *, uint32_t> count;
};

} // namespace

std::string Capture::lineOfSlot(uint32_t slot) const {
  auto words = recorder.trace();
  uint32_t next = 0;
  size_t op = 0;
  for (size_t at = 0; at < words.size();) {
    if (words[at] == fin::kInput) {
      at += fin::inputWords(words, at);
      ++next;
      continue;
    }
    uint64_t head = static_cast<uint64_t>(words[at]);
    next += fin::infoOf(static_cast<OpId>(head & 0xffff)).results.size();
    if (slot < next) return " (" + recorder.lineOf(op) + ")";
    at += 1 + (head >> 16 & 0xffff) + (head >> 32);
    ++op;
  }
  return "";
}

std::string Capture::lineOf(Cell &cell) const {
  const Value &value = *cell.var.value;
  return value.state == ValueState::Pending && value.traceId == recorder.traceId() ? lineOfSlot(value.slot) : "";
}

std::string Capture::escape(llvm::ArrayRef<Tensor> returned) const {
  References known;
  llvm::SmallVector<Cell *> inside; // known cells that were made inside and are not returned
  auto add = [&](const Tensor &cell) {
    if (!cell || known.knows(cell.get())) return;
    known.addCell(cell.get(), cell->var, cell->base);
    if (isInside(*cell) && !llvm::is_contained(returned, cell)) inside.push_back(cell.get());
  };
  for (const Tensor &result : returned) add(result);
  for (const Tensor &arg : args) add(arg), add(arg->grad);
  for (const OutsideCell &at : outside) add(at.cell), add(at.cell->grad);
  for (const auto &rebind : recorder.rebinds) {
    add(rebind.cell);
    add(rebind.cell->grad);
    known.addVar(rebind.previous);
  }
  while (!known.bases.empty()) add(known.bases.pop_back_val());

  for (Cell *cell : inside)
    if (cell->wrapper) return "a tensor made inside the function is kept outside of it" + lineOf(*cell);
  size_t nextInput = 0;
  for (uint32_t slot = 0; slot < recorder.slots.size(); ++slot) {
    while (nextInput < recorder.inputs.size() && recorder.inputs[nextInput].slot < slot) ++nextInput;
    if (nextInput < recorder.inputs.size() && recorder.inputs[nextInput].slot == slot) continue;
    Value *value = recorder.slots[slot];
    if (value && value->references > known.of(value))
      return "a tensor made inside the function is kept outside of it other than by returning it" + lineOfSlot(slot);
  }
  return "";
}

} // namespace tinyfin
