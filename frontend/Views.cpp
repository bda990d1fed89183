// SPDX-License-Identifier: Apache-2.0
// Views, indexing and assignment through indices.
#include "frontend/Ops.h"

namespace tinyfin::ops {

Tensor detach(const Tensor &x) { return makeView(*x, {ViewStep::Same, {}, {}, true, true}); }

Tensor reshapeDims(const Tensor &x, llvm::ArrayRef<Dim> dims) {
  return makeView(*x, {ViewStep::Reshape, shapeAttr(dims), {}, false});
}

Tensor reshape(const Tensor &x, llvm::ArrayRef<int64_t> shape) {
  Dims dims;
  Dim known(1);
  int inferred = -1;
  for (auto [i, extent] : llvm::enumerate(shape)) {
    if (extent == -1) {
      if (inferred >= 0) throw UserError(ErrorKind::Value, "reshape: only one extent can be -1");
      inferred = static_cast<int>(i);
    } else if (extent < 0 && Dim::fromWord(extent).symbolName() == "?") {
      throw UserError(ErrorKind::Value, "reshape: extent " + std::to_string(extent) + " is negative");
    } else {
      std::optional<Dim> product = fin::multiply(known, Dim::fromWord(extent));
      if (!product) throw UserError(ErrorKind::Value, "reshape: the shape has too many elements or symbols");
      known = *product;
    }
    dims.push_back(extent == -1 ? Dim(0) : Dim::fromWord(extent));
  }
  if (inferred >= 0) {
    std::optional<Dim> total = fin::numElements(x->spec.dims);
    std::optional<Dim> rest = total ? fin::divideExactly(*total, known) : std::nullopt;
    if (!rest)
      throw UserError(ErrorKind::Value, "reshape: cannot infer the extent of -1: " + x->spec.str() + " over " + known.str());
    dims[inferred] = *rest;
  }
  return reshapeDims(x, dims);
}

Tensor transpose(const Tensor &x, llvm::ArrayRef<int64_t> permutation) {
  llvm::SmallVector<int64_t, 6> axes;
  for (int64_t axis : permutation) axes.push_back(normalizeAxis(axis, x->spec.rank()));
  return makeView(*x, {ViewStep::Transpose, listAttr(axes), {}, false});
}

Tensor swapAxes(const Tensor &x, int64_t a, int64_t b) {
  llvm::SmallVector<int64_t, 6> axes;
  for (size_t i = 0; i < x->spec.rank(); ++i) axes.push_back(static_cast<int64_t>(i));
  if (axes.empty()) return transpose(x, axes);
  std::swap(axes[normalizeAxis(a, axes.size())], axes[normalizeAxis(b, axes.size())]);
  return transpose(x, axes);
}

Tensor squeeze(const Tensor &x, std::optional<int64_t> axis) {
  std::optional<int64_t> wanted;
  if (axis) wanted = normalizeAxis(*axis, x->spec.rank());
  Dims dims;
  for (auto [i, dim] : llvm::enumerate(x->spec.dims))
    if (!dim.is(1) || (wanted && *wanted != static_cast<int64_t>(i))) dims.push_back(dim);
  return reshapeDims(x, dims);
}

Tensor unsqueeze(const Tensor &x, int64_t axis) {
  Dims dims = x->spec.dims;
  dims.insert(dims.begin() + normalizeAxis(axis, dims.size() + 1), Dim(1));
  return reshapeDims(x, dims);
}

Tensor flatten(const Tensor &x, int64_t first, int64_t last) {
  size_t rank = x->spec.rank();
  if (rank == 0) return reshapeDims(x, {Dim(1)});
  int64_t begin = normalizeAxis(first, rank), end = normalizeAxis(last, rank);
  if (begin > end) throw UserError(ErrorKind::Value, "flatten: start_dim comes after end_dim");
  llvm::ArrayRef<Dim> all(x->spec.dims);
  std::optional<Dim> merged = fin::numElements(all.slice(begin, end - begin + 1));
  if (!merged) throw UserError(ErrorKind::Value, "flatten: two symbolic dims cannot be merged: " + x->spec.str());
  Dims dims(all.take_front(begin));
  dims.push_back(*merged);
  dims.append(all.begin() + end + 1, all.end());
  return reshapeDims(x, dims);
}

Tensor expand(const Tensor &x, llvm::ArrayRef<int64_t> shape) {
  if (shape.size() < x->spec.rank())
    throw UserError(ErrorKind::Value, "expand: the shape has fewer dims than " + x->spec.str());
  Dims dims;
  size_t lead = shape.size() - x->spec.rank();
  for (auto [i, extent] : llvm::enumerate(shape)) {
    if (extent == -1 && i < lead) throw UserError(ErrorKind::Value, "expand: -1 is not allowed for a new leading dim");
    dims.push_back(extent == -1 ? x->spec.dims[i - lead] : Dim::fromWord(extent));
  }
  return makeView(*x, {ViewStep::Broadcast, shapeAttr(dims), {}, false});
}

namespace {

/// Basic indices resolved against a shape: one slice, then a reshape that drops and adds axes.
struct BasicIndex {
  llvm::SmallVector<int64_t, 6> starts, steps;
  Dims sizes, result;
  bool isWhole = true; // the slice takes everything
  int64_t gatherAxis = -1;
  Tensor gatherIndices;

  void take(const IndexItem &item, Dim dim, size_t axis) {
    if (item.kind == IndexItem::Integer) return takeInteger(item.integer, dim, axis);
    if (item.kind == IndexItem::Indices) {
      if (gatherAxis >= 0) throw UserError(ErrorKind::NotImplemented, "only one index tensor at a time is supported");
      gatherAxis = static_cast<int64_t>(result.size());
      gatherIndices = item.indices;
      return takeAll(dim);
    }
    takeRange(item, dim);
  }

  void takeAll(Dim dim) {
    starts.push_back(0);
    steps.push_back(1);
    sizes.push_back(dim);
    result.push_back(dim);
  }

private:
  void takeInteger(int64_t at, Dim dim, size_t axis) {
    if (dim.isConstant()) {
      int64_t wanted = at < 0 ? at + dim.constant() : at;
      if (wanted < 0 || wanted >= dim.constant())
        throw UserError(ErrorKind::Index, "index " + std::to_string(at) + " is out of range for axis " +
                                              std::to_string(axis) + " with extent " + dim.str());
      at = wanted;
    } else if (at < 0) {
      throw UserError(ErrorKind::Index, "a negative index into the symbolic axis " + std::to_string(axis));
    }
    starts.push_back(at);
    steps.push_back(1);
    sizes.push_back(Dim(1));
    isWhole &= dim.is(1);
  }

  void takeRange(const IndexItem &item, Dim dim) {
    int64_t step = item.step.value_or(1);
    if (step <= 0) throw UserError(ErrorKind::Value, "slice step must be positive, found " + std::to_string(step));
    if (!dim.isConstant()) {
      if (item.start.value_or(0) == 0 && !item.stop && step == 1) return takeAll(dim);
      throw UserError(ErrorKind::Value, "the symbolic axis " + dim.str() + " can only be taken whole");
    }
    int64_t extent = dim.constant();
    auto bound = [&](std::optional<int64_t> given, int64_t fallback) {
      int64_t value = given.value_or(fallback);
      return std::clamp<int64_t>(value < 0 ? value + extent : value, 0, extent);
    };
    int64_t start = bound(item.start, 0), stop = bound(item.stop, extent);
    int64_t size = stop > start ? (stop - start + step - 1) / step : 0;
    starts.push_back(size ? start : 0);
    steps.push_back(step);
    sizes.push_back(Dim(size));
    result.push_back(Dim(size));
    isWhole &= size == extent && step == 1;
  }
};

BasicIndex resolve(const TensorSpec &spec, llvm::ArrayRef<IndexItem> items) {
  size_t consumed = 0;
  bool hasEllipsis = false;
  for (const IndexItem &item : items) {
    consumed += item.kind != IndexItem::Ellipsis && item.kind != IndexItem::NewAxis;
    if (item.kind == IndexItem::Ellipsis && std::exchange(hasEllipsis, true))
      throw UserError(ErrorKind::Index, "an index can hold only one ellipsis");
  }
  if (consumed > spec.rank())
    throw UserError(ErrorKind::Index, "too many indices: " + std::to_string(consumed) + " for rank " + std::to_string(spec.rank()));
  BasicIndex index;
  size_t axis = 0;
  for (const IndexItem &item : items) {
    if (item.kind == IndexItem::NewAxis)
      index.result.push_back(Dim(1));
    else if (item.kind == IndexItem::Ellipsis)
      for (size_t rest = spec.rank() - consumed; rest > 0; --rest) index.takeAll(spec.dims[axis++]);
    else {
      index.take(item, spec.dims[axis], axis);
      ++axis;
    }
  }
  while (axis < spec.rank()) index.takeAll(spec.dims[axis++]);
  return index;
}

Tensor basicView(const Tensor &x, const BasicIndex &index) {
  Tensor view = x;
  if (!index.isWhole) {
    Words attrs = shapeAttr(index.sizes);
    Words steps = listAttr(index.steps);
    attrs.insert(attrs.end(), steps.begin(), steps.end());
    view = makeView(*x, {ViewStep::Slice, attrs, {index.starts.begin(), index.starts.end()}, false});
  }
  if (view->spec.dims != index.result) view = reshapeDims(view, index.result);
  return view.get() == x.get() ? makeView(*x, {ViewStep::Same, {}, {}, false}) : view;
}

/// Negative indices count from the end, as in NumPy.
Var countedFromFront(const Var &indices, Dim extent) {
  if (!extent.isConstant()) return indices;
  Operand given = Operand::of(makeTensor(indices));
  Operand shifted = Operand::of(binary(OpId::Add, given, Operand::of(extent.constant())));
  return select(binary(OpId::Lt, given, Operand::of(int64_t(0))), shifted, given)->read();
}

} // namespace

Tensor index(const Tensor &x, llvm::ArrayRef<IndexItem> items) {
  if (items.size() == 1 && items[0].kind == IndexItem::Indices && items[0].indices->spec.dtype == DType::Bool)
    throw UserError(ErrorKind::NotImplemented, "reading x[mask] has a shape that depends on data; use where(mask, x, other)");
  BasicIndex resolved = resolve(x->spec, items);
  Tensor view = basicView(x, resolved);
  if (resolved.gatherAxis < 0) return view;
  Var indices = resolved.gatherIndices->read();
  if (!isInteger(indices.spec().dtype))
    throw UserError(ErrorKind::Index, "index tensors must hold integers, found " + indices.spec().str());
  if (indices.spec().dtype != DType::I64 && indices.spec().dtype != DType::I32) indices = castTo(indices, DType::I64);
  indices = countedFromFront(indices, view->spec.dims[resolved.gatherAxis]);
  return makeTensor(applyOp(OpId::Gather, {resolved.gatherAxis}, {view->read(), indices})[0]);
}

/// x[mask] = value: the mask covers the leading axes. What is written must not depend on how many elements it selects.
static void assignMasked(const Tensor &x, const Tensor &mask, const Operand &value) {
  size_t rank = mask->spec.rank();
  llvm::ArrayRef<Dim> dims(x->spec.dims);
  if (rank > dims.size() || dims.take_front(rank) != llvm::ArrayRef<Dim>(mask->spec.dims))
    throw UserError(ErrorKind::Index, "the mask's shape " + fin::str(mask->spec.dims) + " is not that of the leading axes of " + x->spec.str());
  Var chosen = asVar(value, x->spec.dtype);
  llvm::ArrayRef<Dim> given(chosen.spec().dims);
  auto isOne = [](Dim dim) { return dim.is(1); };
  while (!given.empty() && given.size() > dims.size() - rank && isOne(given.front())) given = given.drop_front();
  if (given.size() > dims.size() - rank)
    throw UserError(ErrorKind::NotImplemented, "x[mask] = value wants a value that fits every selected place, at most of rank " +
                                                   std::to_string(dims.size() - rank) + ", found " + chosen.spec().str() +
                                                   "; use where(mask, value, x)");
  if (given.size() != chosen.spec().rank()) chosen = applyOp(OpId::Reshape, shapeAttr(given), {chosen})[0];
  Dims aligned(mask->spec.dims);
  aligned.resize(dims.size(), Dim(1));
  Var condition = mask->read();
  if (rank != dims.size()) condition = applyOp(OpId::Reshape, shapeAttr(aligned), {condition})[0];
  update(x, [&] { return applyOp(OpId::Select, {}, {condition, chosen, x->read()})[0]; });
}

void assign(const Tensor &x, llvm::ArrayRef<IndexItem> items, const Operand &value) {
  if (items.size() == 1 && items[0].kind == IndexItem::Indices && items[0].indices->spec.dtype == DType::Bool) {
    return assignMasked(x, items[0].indices, value);
  }
  BasicIndex resolved = resolve(x->spec, items);
  if (resolved.gatherAxis >= 0)
    throw UserError(ErrorKind::NotImplemented, "assignment through an index tensor is not supported; use where() or scatter_add");
  copyInto(basicView(x, resolved), value);
}

} // namespace tinyfin::ops
