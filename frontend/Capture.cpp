// SPDX-License-Identifier: Apache-2.0
#include "frontend/Capture.h"
#include "frontend/Flush.h"
#include "frontend/JitBackward.h"
#include "frontend/Random.h"
#include "frontend/Scalars.h"

namespace tinyfin {

Capture::Capture(llvm::ArrayRef<Tensor> arguments, bool fullgraph, const Modes &modes)
    : args(arguments.begin(), arguments.end()), firstInside(Cell::lastBorn + 1), seedAtEntry(Generator::process().seed),
      counterAtEntry(Generator::process().counter), fullgraph(fullgraph) {
  // The arguments may be pending in the trace outside: it is computed first, so that everything read is Ready.
  for (const Tensor &arg : args) arg->read();
  Recorder::current().flush("entry of a jitted function");
  previous = Recorder::setCurrent(&recorder);
  recorder.capture = this;
  recorder.setModes(modes);
  for (auto [i, arg] : llvm::enumerate(args)) {
    argGrads.push_back(arg->grad);
    know(*arg, {Source::Arg, static_cast<uint32_t>(i)});
  }
}

Capture::~Capture() { leave(); }

void Capture::leave() {
  if (std::exchange(left, true)) return;
  for (Boundary &boundary : boundaries)
    if (boundary.cell->var.edge.node == boundary.inside.node) boundary.cell->var.edge = boundary.outer;
  recorder.capture = nullptr;
  Recorder::setCurrent(previous);
}

Edge Capture::edgeInside(Cell &cell) {
  for (Boundary &boundary : boundaries)
    if (boundary.cell.get() == &cell) return boundary.inside;
  if (!cell.requiresGrad || !cell.leaf) return {};
  return {Ref<Node>(cell.leaf.get()), 0};
}

void Capture::abandon() {
  recorder.capture = nullptr;
  try {
    recorder.flush("exception in a jitted function");
  } catch (const UserError &) {
    // The user's own exception is on its way; what failed here says so when it is read.
  }
  leave();
}

void Capture::undo() {
  restore();
  recorder.truncate({});
  leave();
}

void Capture::demote(const std::string &reason) {
  SourceRef line = captureSource();
  std::string where = describeSource(line);
  if (line.code && host().release) host().release(line);
  std::string message = reason + (where.empty() ? "" : " (" + where + ")");
  recorder.capture = nullptr;
  if (fullgraph) {
    restore();
    throw UserError(ErrorKind::Runtime, "fullgraph=True, but " + message);
  }
  if (whyDemoted.empty()) whyDemoted = message;
}

void Capture::restore() {
  recorder.restoreCells();
  for (auto [arg, grad] : llvm::zip_equal(args, argGrads)) arg->grad = grad;
  for (OutsideCell &at : outside)
    if (at.gradOf < 0) at.cell->grad = at.grad;
  Generator::process() = {seedAtEntry, counterAtEntry};
}

bool Capture::movedGenerator() const {
  const Generator &now = Generator::process();
  int64_t drawn = recorder.random.drawn;
  return now.seed != seedAtEntry || now.counter != counterAtEntry + drawn || (drawn && recorder.random.base != counterAtEntry);
}

/// Gives the cell a Value of its own, so that a trace input tells which cell it came from.
void Capture::know(Cell &cell, Origin origin) {
  if (!cells.try_emplace(&cell, origin).second) return;
  Value *value = cell.var.value.get();
  if (values.contains(value) && value->state == ValueState::Ready) {
    cell.var.value = readyValue(value->spec, value->buffer);
    value = cell.var.value.get();
  }
  values.try_emplace(value, origin);
  if (cell.var.edge) {
    Edge inside{Ref<Node>(new BoundaryNode(cell.var)), 0};
    boundaries.push_back({Tensor(&cell), inside, cell.var.edge});
    cell.var.edge = inside;
  }
  if (cell.grad) {
    // `.grad` belongs to its cell: the next call may find another tensor there.
    if (cells.contains(cell.grad.get())) return;
    recorder.capture = nullptr; // not a read of the body's
    cell.grad->read();
    recorder.capture = this;
    uint32_t index = static_cast<uint32_t>(outside.size());
    outside.push_back({cell.grad, static_cast<int32_t>(origin.index), origin.kind == Source::Arg, false, {}});
    know(*cell.grad, {Source::Outside, index});
  }
}

void Capture::noteRead(Cell &cell) {
  if (cell.born >= firstInside || cell.rebindTrace == recorder.traceId() || cells.contains(&cell)) return;
  // A view of a rebound base was derived inside: it is known, but no input.
  bool isDerived = cell.var.value->state == ValueState::Pending && cell.var.value->recorder == &recorder;
  if (!isDerived && cell.var.value->state != ValueState::Ready) Recorder::materialize(*cell.var.value, "read by a jitted function");
  Origin origin{Source::Outside, static_cast<uint32_t>(outside.size())};
  outside.push_back({Tensor(&cell), -1, false, bool(cell.grad), cell.grad});
  if (isDerived) cells.try_emplace(&cell, origin);
  else know(cell, origin);
}

void Capture::noteGrad(Cell &cell) {
  if (cell.born < firstInside && !cells.contains(&cell)) noteRead(cell);
}

ValueRef Capture::numberArgument(uint32_t index, int64_t bits, DType dtype) {
  ValueRef value = recorder.scalar({dtype, {}}, &bits, sizeOf(dtype));
  numberSlots.push_back({value->slot, index});
  return value;
}

} // namespace tinyfin
