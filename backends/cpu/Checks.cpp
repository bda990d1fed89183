// SPDX-License-Identifier: Apache-2.0
// Range checks of slices and gathers.
#include "backends/cpu/Checks.h"

namespace tinyfin::cpu {
namespace {

std::vector<int64_t> extentsOf(const TensorSpec &type) {
  std::vector<int64_t> extents;
  for (Dim dim : type.dims) extents.push_back(dim.constant());
  return extents;
}

struct StartsCheck {
  std::vector<int64_t> dims, sizes, steps;

  static Status run(void *closure, void *const *args, ThreadPool &) {
    const auto &check = *static_cast<StartsCheck *>(closure);
    const auto *starts = static_cast<const int64_t *>(args[0]);
    for (size_t i = 0; i < check.dims.size(); ++i) {
      if (check.sizes[i] == 0) continue;
      // In 128 bits: starts come from the user and may be anything.
      __int128 last = static_cast<__int128>(starts[i]) + static_cast<__int128>(check.sizes[i] - 1) * check.steps[i];
      if (starts[i] >= 0 && starts[i] < check.dims[i] && last >= 0 && last < check.dims[i]) continue;
      return Status::error(StatusCode::OutOfRange,
                           "slice start " + std::to_string(starts[i]) + " of axis " + std::to_string(i) +
                               " is out of range for extent " + std::to_string(check.dims[i]) + " with size " +
                               std::to_string(check.sizes[i]) + " and step " + std::to_string(check.steps[i]));
    }
    return Status::ok();
  }
};

template <class Item> struct IndexCheck {
  int64_t count, extent, axis;

  static Status run(void *closure, void *const *args, ThreadPool &) {
    const auto &check = *static_cast<IndexCheck *>(closure);
    const auto *indices = static_cast<const Item *>(args[0]);
    int bad = 0;
    for (int64_t i = 0; i < check.count; ++i) bad |= static_cast<uint64_t>(indices[i]) >= static_cast<uint64_t>(check.extent);
    if (!bad) return Status::ok();
    int64_t first = 0;
    while (indices[first] >= 0 && indices[first] < check.extent) ++first;
    return Status::error(StatusCode::OutOfRange, "index " + std::to_string(indices[first]) + " is out of range for axis " +
                                                     std::to_string(check.axis) + " with extent " + std::to_string(check.extent));
  }
};

template <class C> Check made(C check, unsigned operand) { return {&C::run, std::make_shared<C>(std::move(check)), operand}; }

} // namespace

Check checkOf(const KernelSpec &spec, const KernelOp &op) {
  AttrReader attrs(op.attrs);
  if (op.id == OpId::Slice) {
    std::span<const int64_t> sizes = attrs.list(), steps = attrs.list();
    return made(StartsCheck{extentsOf(spec.values[op.operands[0]]), {sizes.begin(), sizes.end()}, {steps.begin(), steps.end()}}, 1);
  }
  if (op.id != OpId::Gather) return {};
  const TensorSpec &indices = spec.values[op.operands[1]];
  int64_t axis = attrs.integer(), count = 1;
  for (int64_t extent : extentsOf(indices)) count *= extent;
  int64_t extent = spec.values[op.operands[0]].dims[axis].constant();
  if (indices.dtype == DType::I64) return made(IndexCheck<int64_t>{count, extent, axis}, 1);
  return made(IndexCheck<int32_t>{count, extent, axis}, 1);
}

} // namespace tinyfin::cpu
