// SPDX-License-Identifier: Apache-2.0
#include "frontend/ViewGeometry.h"

namespace tinyfin {
namespace {

using Extents = llvm::SmallVector<int64_t, 6>;

bool constantDims(llvm::ArrayRef<Dim> dims, Extents &extents) {
  extents.clear();
  for (Dim dim : dims) {
    if (!dim.isConstant()) return false;
    extents.push_back(dim.constant());
  }
  return true;
}

/// The strides under which `wanted` walks the same elements in the same order; false where there are none. Axes that lie
/// one behind the other are one run; from the innermost on, each run is cut into the wanted extents.
bool reshaped(ViewGeometry &view, const Extents &wanted) {
  struct Run {
    int64_t extent, stride;
  };
  llvm::SmallVector<Run, 6> runs;
  for (auto [extent, stride] : llvm::zip_equal(view.dims, view.strides)) {
    if (extent == 1) continue;
    bool continues = !runs.empty() && runs.back().stride == extent * stride;
    if (continues) runs.back() = {runs.back().extent * extent, stride};
    else runs.push_back({extent, stride});
  }
  Extents strides(wanted.size(), 0);
  Run run{1, 1};
  for (size_t i = wanted.size(); i-- > 0;) {
    if (wanted[i] == 1) continue;
    if (run.extent == 1 && !runs.empty()) run = runs.pop_back_val();
    if (run.extent % wanted[i]) return false;
    strides[i] = run.stride;
    run = {run.extent / wanted[i], run.stride * wanted[i]};
  }
  view.dims = wanted, view.strides = strides;
  return true;
}

void transposed(ViewGeometry &view, llvm::ArrayRef<int64_t> permutation) {
  ViewGeometry old = view;
  for (auto [i, axis] : llvm::enumerate(permutation)) view.dims[i] = old.dims[axis], view.strides[i] = old.strides[axis];
}

bool apply(const ViewStep &step, ViewGeometry &view) {
  AttrReader attrs(step.attrs);
  Extents extents;
  switch (step.kind) {
  case ViewStep::Same: return true;
  case ViewStep::Reshape:
  case ViewStep::Slice: {
    Dims dims;
    for (int64_t word : attrs.list()) dims.push_back(Dim::fromWord(word));
    if (!constantDims(dims, extents)) return false;
    if (step.kind == ViewStep::Reshape) return reshaped(view, extents);
    for (auto [i, by] : llvm::enumerate(attrs.list())) {
      view.offset += step.starts[i] * view.strides[i];
      view.strides[i] *= by;
    }
    view.dims = extents;
    return true;
  }
  case ViewStep::Transpose: {
    std::span<const int64_t> permutation = attrs.list();
    return transposed(view, {permutation.data(), permutation.size()}), true;
  }
  default: return false;
  }
}

} // namespace

std::optional<ViewGeometry> geometryOf(Cell &view) {
  llvm::SmallVector<const ViewStep *, 6> steps;
  Cell *at = &view;
  for (; at->isView(); at = &at->viewed()) {
    const ViewStep &step = at->viewStep();
    if (step.isDetached || (!step.isTaped && isGradEnabled())) return std::nullopt;
    steps.push_back(&step);
  }
  ViewGeometry geometry;
  geometry.root = at;
  if (steps.empty() || !constantDims(at->spec.dims, geometry.dims)) return std::nullopt;
  for (int64_t extent : geometry.dims)
    if (extent == 0) return std::nullopt;
  geometry.strides.resize(geometry.dims.size());
  int64_t stride = 1;
  for (size_t i = geometry.dims.size(); i-- > 0; stride *= geometry.dims[i]) geometry.strides[i] = stride;
  for (const ViewStep *step : llvm::reverse(steps))
    if (!apply(*step, geometry)) return std::nullopt;
  return geometry;
}

} // namespace tinyfin
