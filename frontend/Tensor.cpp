// SPDX-License-Identifier: Apache-2.0
#include "frontend/Tensor.h"
#include "frontend/Capture.h"

namespace tinyfin {

// Under the frontend's lock.
uint64_t Cell::lastBorn = 0;
uint64_t Cell::flagChanges = 0;

Cell::~Cell() {
  if (leaf) leaf->cell = nullptr;
}

static ValueRef startsValue(const std::vector<int64_t> &starts) {
  return Recorder::current().scalar({DType::I64, {Dim(static_cast<int64_t>(starts.size()))}}, starts.data(),
                                    starts.size() * sizeof(int64_t));
}

Var Cell::derive(const Var &from) const {
  Var source = view.detached ? Var{from.value, {}} : from;
  switch (view.kind) {
  case ViewStep::None:
  case ViewStep::Same: return source;
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

Var Cell::read() {
  wasRead = true;
  if (base) {
    Var current = base->read();
    if (seenVersion != base->root().version) {
      var = derive(current);
      seenVersion = base->root().version;
    }
  }
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

void Cell::rebind(Var value) {
  if (base) {
    Var old = base->read();
    base->rebind(updatedBase(old, value));
    // What was written is what a read gives: no need to derive it again. The edge goes through the base.
    var = view.detached ? Var{value.value, {}} : derive(base->read());
    seenVersion = base->root().version;
    return;
  }
  Recorder::current().noteRebind(*this);
  var = std::move(value);
  ++version;
}

void Cell::write(Var value) {
  if (!(value.spec() == spec))
    throw UserError(ErrorKind::Value, "cannot write " + value.spec().str() + " into " + spec.str());
  Cell &owner = root();
  if (isGradEnabled() && owner.requiresGrad && !owner.var.edge && !view.detached)
    throw UserError(ErrorKind::Runtime, "in-place write to a leaf tensor that requires grad; "
                                        "use no_grad() or write to its detach()");
  rebind(std::move(value));
}

void Cell::setRequiresGrad(bool wanted) {
  if (wanted && !isFloat(spec.dtype))
    throw UserError(ErrorKind::Runtime, std::string("only floating point tensors can require grad, not ") + nameOf(spec.dtype));
  if (!wanted && var.edge)
    throw UserError(ErrorKind::Runtime, "requires_grad can only be cleared on a leaf; use detach()");
  if (var.edge || requiresGrad == wanted) return;
  requiresGrad = wanted;
  flagChanges += wasRead;
}

Tensor makeView(Cell &base, ViewStep step) {
  Var from = base.read();
  Tensor view = makeTensor(from);
  view->view = std::move(step);
  view->base = Tensor(&base);
  view->var = view->derive(from);
  view->spec = view->var.spec();
  view->seenVersion = base.root().version;
  return view;
}

} // namespace tinyfin
