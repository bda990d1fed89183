// SPDX-License-Identifier: Apache-2.0
#include "frontend/Tensor.h"
#include "frontend/Capture.h"

namespace tinyfin {

// Under the frontend's lock.
uint64_t Cell::lastBorn = 0;
uint64_t Cell::flagChanges = 0;

/// splitmix64's finalizer: numbers that are close give unrelated bits.
static uint64_t mixBits(uint64_t bits) {
  bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9;
  bits = (bits ^ bits >> 27) * 0x94d049bb133111eb;
  return bits ^ bits >> 31;
}

Cell::~Cell() {
  if (leaf) leaf->cell = nullptr;
}

void Cell::dispose() {
  // A view of a view of ... must not unwind by recursion.
  static thread_local std::vector<Cell *> *pending = nullptr;
  if (pending) return pending->push_back(this);
  if (!base && !grad) return delete this;
  std::vector<Cell *> work{this};
  pending = &work;
  while (!work.empty()) {
    Cell *cell = work.back();
    work.pop_back();
    delete cell;
  }
  pending = nullptr;
}

static ValueRef startsValue(const std::vector<int64_t> &starts) {
  return Recorder::current().starts(starts);
}

Var Cell::derive(const Var &from) const {
  Var source = view.isDetached ? Var{from.value, {}} : from;
  switch (view.kind) {
  case ViewStep::None:
  case ViewStep::Same: return identity(source);
  case ViewStep::Reshape: return applyOp(OpId::Reshape, view.attrs, {source})[0];
  case ViewStep::Transpose: return applyOp(OpId::Transpose, view.attrs, {source})[0];
  case ViewStep::Broadcast: return applyOp(OpId::Broadcast, view.attrs, {source})[0];
  case ViewStep::Slice: return applyOp(OpId::Slice, view.attrs, {source, {startsValue(view.starts), {}}})[0];
  }
  return source;
}

Var Cell::updatedBase(const Var &old, const Var &update) const {
  switch (view.kind) {
  case ViewStep::None:
  case ViewStep::Same: return update;
  case ViewStep::Reshape: {
    Words attrs{static_cast<int64_t>(old.spec().rank())};
    for (Dim dim : old.spec().dims) attrs.push_back(dim.word());
    return applyOp(OpId::Reshape, attrs, {update})[0];
  }
  case ViewStep::Transpose: {
    Words inverse(view.attrs.size());
    inverse[0] = view.attrs[0];
    for (size_t i = 1; i < view.attrs.size(); ++i) inverse[view.attrs[i] + 1] = static_cast<int64_t>(i) - 1;
    return applyOp(OpId::Transpose, inverse, {update})[0];
  }
  case ViewStep::Slice: {
    // slice carries (sizes, steps), slice_update (steps).
    size_t rank = static_cast<size_t>(view.attrs[0]);
    Words steps(view.attrs.begin() + 1 + rank, view.attrs.end());
    return applyOp(OpId::SliceUpdate, steps, {old, update, {startsValue(view.starts), {}}})[0];
  }
  case ViewStep::Broadcast: break;
  }
  throw UserError(ErrorKind::Runtime, "cannot write to an expanded tensor: several of its elements share one place; "
                                      "write to a clone() instead");
}

/// Derives this view, and the views between it and its root, anew. No recursion: views of views can be deep.
void Cell::follow() {
  bool isCaptured = Recorder::current().capture;
  llvm::SmallVector<Cell *> chain;
  Cell *top = this;
  for (; top->base && (top->isStale() || isCaptured); top = top->base.get()) chain.push_back(top);
  const uint32_t version = root().version; // of what is read: deriving may let another thread write
  Var current = top->own();
  for (Cell *cell : llvm::reverse(chain)) {
    if (cell->isStale()) {
      // Recorded as the view was: reading it under no_grad() first must not cut it off the tape.
      GradMode mode(cell->view.isTaped);
      cell->var = cell->derive(current);
      cell->seenVersion = version;
    }
    if (cell != this) current = cell->own();
  }
}

Var Cell::read() {
  if (base && (isStale() || Recorder::current().capture)) follow();
  return own();
}

Var Cell::own() {
  wasRead = true;
  if (Capture *capture = Recorder::current().capture) capture->noteRead(*this);
  if (requiresGrad && !var.edge) {
    if (!leaf) {
      leaf = Ref<LeafNode>(new LeafNode(this));
      leaf->resultSpecs.push_back(spec);
    }
    return {var.value, {Ref<Node>(leaf.get()), 0}};
  }
  return var;
}

void Cell::rebind(const Var &value) {
  while (!tryRebind(value)) {}
}

bool Cell::tryRebind(Var value) {
  const uint32_t version = root().version; // recording an op may let other threads run
  // Through detach(), .data and no_grad() only the data changes: who required grad keeps its place on the tape.
  bool keepsEdge = !isGradEnabled();
  Cell *cell = this;
  llvm::SmallVector<std::pair<Cell *, Var>, 1> detached; // they show what was written with its own edge
  for (; cell->base; cell = cell->base.get()) {
    Var old = cell->base->read();
    if (cell->view.isDetached) {
      detached.push_back({cell, value});
      keepsEdge = true;
    }
    if (keepsEdge) old.edge = value.edge = {};
    value = cell->updatedBase(old, value);
  }
  if (cell->version != version) return false;
  for (Cell *view = this; view != cell; view = view->base.get()) view->var = {}; // derived again when read
  Recorder::current().noteRebind(*cell);
  cell->var = {std::move(value.value), keepsEdge ? cell->var.edge : std::move(value.edge)};
  ++cell->version;
  for (auto &[view, var] : detached) {
    view->var = std::move(var);
    view->seenVersion = cell->version;
  }
  return true;
}

void Cell::write(const Var &value) {
  while (!tryWrite(value)) {}
}

bool Cell::tryWrite(const Var &value) {
  if (!(value.spec() == spec))
    throw UserError(ErrorKind::Value, "cannot write " + value.spec().str() + " into " + spec.str());
  for (Cell *cell = this; isGradEnabled(); cell = cell->base.get()) {
    if (cell->requiresGrad && !cell->var.edge)
      throw UserError(ErrorKind::Runtime, "in-place write to a leaf tensor that requires grad; "
                                          "use no_grad() or write to its detach()");
    if (!cell->base || cell->view.isDetached) break;
  }
  return tryRebind(value);
}

void Cell::setRequiresGrad(bool wanted) {
  if (wanted && !isFloat(spec.dtype))
    throw UserError(ErrorKind::Runtime, std::string("only floating point tensors can require grad, not ") + nameOf(spec.dtype));
  bool wasInUse = wasRead;
  bool hasEdge = bool(isView() && !requiresGrad ? read().edge : var.edge);
  if (!wanted && hasEdge)
    throw UserError(ErrorKind::Runtime, "requires_grad can only be cleared on a leaf; use detach()");
  if (hasEdge || requiresGrad == wanted) return;
  requiresGrad = wanted;
  if (wasInUse) flagChanges ^= mixBits(born);
}

Tensor makeView(Cell &base, ViewStep step) {
  const uint32_t version = base.root().version;
  Var from = base.read();
  Tensor view = makeTensor(from);
  view->view = std::move(step);
  view->view.isTaped = isGradEnabled();
  view->base = Tensor(&base);
  view->rootCell = &base.root();
  view->var = view->derive(from);
  view->spec = view->var.spec();
  view->seenVersion = version;
  return view;
}

Tensor makeView(Cell &base, ViewStep step, const TensorSpec &spec, ValueRef current) {
  Tensor view = makeTensor(base.root().var); // of a base that is yet to be derived too
  view->spec = spec;
  view->view = std::move(step);
  view->base = Tensor(&base);
  view->rootCell = &base.root();
  view->var = {std::move(current), {}};
  view->seenVersion = base.root().version;
  return view;
}

} // namespace tinyfin
