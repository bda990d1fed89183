// SPDX-License-Identifier: Apache-2.0
// Kernels that place elements by run-time indices: slice, slice_update, gather, scatter_add. Every index is checked
// before the first write.
#include "runtime/kernels/Index.h"
#include "runtime/kernels/Kernels.h"
#include "runtime/kernels/RowLoops.h"
#include "runtime/kernels/StridedCopy.h"
#include <cstring>

namespace tinyfin {
namespace {

Status checkStarts(std::span<const int64_t> dims, const int64_t *starts, std::span<const int64_t> sizes,
                   std::span<const int64_t> steps) {
  for (size_t i = 0; i < dims.size(); ++i) {
    if (sizes[i] == 0) continue;
    // In 128 bits: starts come from the user and may be anything.
    const __int128 last = static_cast<__int128>(starts[i]) + static_cast<__int128>(sizes[i] - 1) * steps[i];
    if (starts[i] >= 0 && starts[i] < dims[i] && last >= 0 && last < dims[i]) continue;
    return Status::error(StatusCode::OutOfRange,
                         "slice start " + std::to_string(starts[i]) + " of axis " + std::to_string(i) +
                             " is out of range for extent " + std::to_string(dims[i]) + " with size " +
                             std::to_string(sizes[i]) + " and step " + std::to_string(steps[i]));
  }
  return Status::ok();
}

int64_t startOffset(std::span<const int64_t> dims, const int64_t *starts) {
  int64_t offset = 0;
  for (size_t i = 0; i < dims.size(); ++i) offset += starts[i] * strideOf(dims, i);
  return offset;
}

char *elementAt(const TensorArg &tensor, int64_t index) {
  return tensor.as<char>() + index * static_cast<int64_t>(sizeOf(tensor.dtype));
}

bool isEmpty(const TensorArg &tensor) { return tensor.numElements() == 0; }

struct IndexList {
  const void *items;
  bool wide;
  int64_t count;
  IndexList(const void *items, bool wide, int64_t count) : items(items), wide(wide), count(count) {}
  explicit IndexList(const TensorArg &tensor)
      : IndexList(tensor.data, tensor.dtype == DType::I64, tensor.numElements()) {}
  int64_t operator[](int64_t i) const {
    return wide ? static_cast<const int64_t *>(items)[i] : static_cast<const int32_t *>(items)[i];
  }
};

Status checkIndices(const IndexList &indices, int64_t axis, int64_t extent) {
  int bad = 0;
  for (int64_t i = 0; i < indices.count; ++i) bad |= static_cast<uint64_t>(indices[i]) >= static_cast<uint64_t>(extent);
  if (!bad) return Status::ok();
  int64_t first = 0;
  while (indices[first] >= 0 && indices[first] < extent) ++first;
  return Status::error(StatusCode::OutOfRange, "index " + std::to_string(indices[first]) +
                                                   " is out of range for axis " + std::to_string(axis) +
                                                   " with extent " + std::to_string(extent));
}

template <class T> void gatherElements(const KernelArgs &args, const AxisView &view, const IndexList &indices) {
  const T *x = args.inputs[0].as<const T>();
  T *out = args.outputs[0].as<T>();
  forElements(args.pool, view.outer * indices.count, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) out[i] = x[i / indices.count * view.extent + indices[i % indices.count]];
  });
}

void gatherRows(const KernelArgs &args, const AxisView &view, const IndexList &indices) {
  const int64_t bytes = view.inner * static_cast<int64_t>(sizeOf(args.outputs[0].dtype));
  const int64_t rows = view.outer * indices.count;
  auto body = [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      int64_t source = row / indices.count * view.extent + indices[row % indices.count];
      std::memcpy(args.outputs[0].as<char>() + row * bytes, args.inputs[0].as<const char>() + source * bytes,
                  static_cast<size_t>(bytes));
    }
  };
  if (rows * view.inner <= kSerialElements) return body(0, rows);
  args.pool.parallelFor(rows, std::max<int64_t>(1, kElementGrain / view.inner), body);
}

template <class T> void addRow(T *__restrict to, const T *__restrict from, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    if constexpr (std::is_integral_v<T>)
      to[i] = static_cast<T>(Wrapping<T>(to[i]) + Wrapping<T>(from[i]));
    else
      to[i] = store<T>(load<T>(to[i]) + load<T>(from[i]));
  }
}

// A thread owns a range of columns of one outer index and walks all updates, so that repeated indices add in order.
template <class T>
void scatterAdd(const AxisView &view, const IndexList &indices, const void *given, void *result, ThreadPool &pool) {
  const T *updates = static_cast<const T *>(given);
  T *out = static_cast<T *>(result);
  constexpr int64_t width = 64;
  const int64_t parts = (view.inner + width - 1) / width;
  auto body = [&](int64_t begin, int64_t end) {
    for (int64_t unit = begin; unit < end;) {
      const int64_t o = unit / parts, last = std::min(end, (o + 1) * parts);
      const int64_t from = (unit - o * parts) * width, to = std::min(view.inner, (last - o * parts) * width);
      for (int64_t i = 0; i < indices.count; ++i)
        addRow(out + (o * view.extent + indices[i]) * view.inner + from,
               updates + (o * indices.count + i) * view.inner + from, to - from);
      unit = last;
    }
  };
  const int64_t work = view.outer * view.inner * indices.count;
  if (work <= kSerialElements) return body(0, view.outer * parts);
  const int64_t perPart = std::max<int64_t>(1, std::min(width, view.inner) * indices.count);
  pool.parallelFor(view.outer * parts, std::max<int64_t>(1, kElementGrain / perPart), body);
}

} // namespace

Status Kernel<"fin.slice">::run(const KernelArgs &args) {
  AttrReader attrs = args.attrs;
  attrs.list(); // the sizes are the output's dims
  std::span<const int64_t> steps = attrs.list();
  const TensorArg &x = args.inputs[0], &out = args.outputs[0];
  const int64_t *starts = args.inputs[1].as<const int64_t>();
  TINYFIN_RETURN_IF_ERROR(checkStarts(x.dims, starts, out.dims, steps));
  if (isEmpty(out)) return Status::ok();
  StridedCopy copy(out.data, elementAt(x, startOffset(x.dims, starts)), out.dtype);
  for (size_t i = 0; i < out.dims.size(); ++i)
    copy.axis(out.dims[i], strideOf(out.dims, i), steps[i] * strideOf(x.dims, i));
  return copy.run(args.pool);
}

SliceUpdatePlan::SliceUpdatePlan(DType dtype, std::span<const int64_t> x, std::span<const int64_t> update,
                                 std::span<const int64_t> steps)
    : dims(x), sizes(update), steps(steps), base(nullptr, nullptr, dtype), copy(nullptr, nullptr, dtype),
      elementBytes(sizeOf(dtype)) {
  int64_t count = 1;
  for (size_t i = 0; i < dims.size(); ++i) {
    count *= dims[i];
    isEmpty |= sizes[i] == 0;
    copy.axis(sizes[i], steps[i] * strideOf(dims, i), strideOf(sizes, i));
  }
  base.axis(count, 1, 1);
}

Status SliceUpdatePlan::execute(const void *x, const void *update, const int64_t *starts, void *out,
                                ThreadPool &pool) const {
  TINYFIN_RETURN_IF_ERROR(checkStarts(dims, starts, sizes, steps));
  if (out != x) TINYFIN_RETURN_IF_ERROR(base.placedAt(out, x).run(pool));
  if (isEmpty) return Status::ok();
  return copy.placedAt(static_cast<char *>(out) + startOffset(dims, starts) * elementBytes, update).run(pool);
}

Status Kernel<"fin.slice_update">::run(const KernelArgs &args) {
  AttrReader attrs = args.attrs;
  const TensorArg &x = args.inputs[0], &update = args.inputs[1];
  return SliceUpdatePlan(x.dtype, x.dims, update.dims, attrs.list())
      .execute(x.data, update.data, args.inputs[2].as<const int64_t>(), args.outputs[0].data, args.pool);
}

Status Kernel<"fin.gather">::run(const KernelArgs &args) {
  AttrReader attrs = args.attrs;
  const int64_t axis = attrs.integer();
  const AxisView view(args.inputs[0].dims, static_cast<size_t>(axis));
  const IndexList indices(args.inputs[1]);
  if (isEmpty(args.outputs[0])) return Status::ok();
  TINYFIN_RETURN_IF_ERROR(checkIndices(indices, axis, view.extent));
  if (view.inner > 1) return gatherRows(args, view, indices), Status::ok();
  visitSize(args.outputs[0].dtype,
            [&](auto tag) { return gatherElements<ElementOf<decltype(tag)>>(args, view, indices), 0; });
  return Status::ok();
}

ScatterAddPlan::ScatterAddPlan(DType dtype, std::span<const int64_t> dims, DType indexType, int64_t numIndices,
                               int64_t axis)
    : view(dims, static_cast<size_t>(axis)), axis(axis), numIndices(numIndices), isWide(indexType == DType::I64),
      base(nullptr, nullptr, dtype) {
  base.axis(view.outer * view.extent * view.inner, 1, 1);
  visitNumber(dtype, [&](auto tag) {
    using T = ElementOf<decltype(tag)>;
    loop = [](const AxisView &view, const void *items, bool wide, int64_t count, const void *updates, void *out,
              ThreadPool &pool) { scatterAdd<T>(view, IndexList(items, wide, count), updates, out, pool); };
    return 0;
  });
}

Status ScatterAddPlan::execute(const void *x, const void *indices, const void *updates, void *out,
                               ThreadPool &pool) const {
  const bool hasUpdates = view.outer * view.inner * numIndices != 0;
  if (hasUpdates) TINYFIN_RETURN_IF_ERROR(checkIndices(IndexList(indices, isWide, numIndices), axis, view.extent));
  if (out != x) TINYFIN_RETURN_IF_ERROR(base.placedAt(out, x).run(pool));
  if (hasUpdates) loop(view, indices, isWide, numIndices, updates, out, pool);
  return Status::ok();
}

Status Kernel<"fin.scatter_add">::run(const KernelArgs &args) {
  AttrReader attrs = args.attrs;
  const TensorArg &x = args.inputs[0], &indices = args.inputs[1];
  return ScatterAddPlan(x.dtype, x.dims, indices.dtype, indices.numElements(), attrs.integer())
      .execute(x.data, indices.data, args.inputs[2].data, args.outputs[0].data, args.pool);
}

} // namespace tinyfin
