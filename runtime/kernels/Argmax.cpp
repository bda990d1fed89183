// SPDX-License-Identifier: Apache-2.0
// Kernel of argmax: the first largest element along an axis; the first NaN, if there is one.
#include "runtime/kernels/Argmax.h"
#include "runtime/kernels/Kernels.h"
#include "runtime/kernels/ReductionPlan.h"
#include "runtime/kernels/StridedCopy.h"

namespace tinyfin {
namespace {

constexpr int64_t kColumns = 64;

template <class T> int64_t argmaxOfRow(const T *x, int64_t count) {
  using C = Compute<T>;
  const C largest = reduceRow<MaxPolicy<T>>(x, count);
  constexpr int64_t block = 64;
  for (int64_t begin = 0; begin < count; begin += block) {
    const int64_t end = std::min(count, begin + block);
    int found = 0;
    for (int64_t i = begin; i < end; ++i) {
      C v = load<T>(x[i]);
      found |= (v == largest) | (v != v);
    }
    if (!found) continue;
    for (int64_t i = begin; i < end; ++i)
      if (C v = load<T>(x[i]); v == largest || v != v) return i;
  }
  return 0;
}

/// The indices of `size` neighbouring columns, rows `stride` apart.
template <class T>
void argmaxOfColumns(const T *__restrict x, int64_t count, int64_t stride, int64_t size, int64_t *__restrict best) {
  using C = Compute<T>;
  C largest[kColumns];
  for (int64_t c = 0; c < size; ++c) {
    largest[c] = load<T>(x[c]);
    best[c] = 0;
  }
  for (int64_t row = 1; row < count; ++row) {
    const T *__restrict values = x + row * stride;
    for (int64_t c = 0; c < size; ++c) {
      const C v = load<T>(values[c]), old = largest[c];
      const bool better = (v > old) | ((v != v) & (old == old));
      largest[c] = better ? v : old;
      best[c] = better ? row : best[c];
    }
  }
}

template <class T> void argmax(const void *x, int64_t *out, const ArgmaxShape &shape, ThreadPool &pool) {
  const auto [outer, extent, inner] = shape;
  const int64_t blocks = inner == 1 ? 1 : (inner + kColumns - 1) / kColumns;
  auto body = [&, extent = extent, inner = inner](int64_t begin, int64_t end) {
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t o = unit / blocks, from = unit % blocks * kColumns, size = std::min(kColumns, inner - from);
      const T *at = static_cast<const T *>(x) + o * extent * inner + from;
      int64_t best[kColumns];
      if (inner == 1)
        best[0] = argmaxOfRow(at, extent);
      else
        argmaxOfColumns(at, extent, inner, size, best);
      std::copy_n(best, size, out + o * inner + from);
    }
  };
  if (outer * extent * inner <= kSerialElements) return body(0, outer * blocks);
  pool.parallelFor(outer * blocks, std::max<int64_t>(1, kElementGrain / (extent * std::min(inner, kColumns))), body);
}

} // namespace

ArgmaxPlan::ArgmaxPlan(DType dtype, std::span<const int64_t> dims, int64_t axis) {
  for (int64_t i = 0; i < axis; ++i) shape.outer *= dims[i];
  shape.extent = dims[axis];
  shape.inner = strideOf(dims, axis);
  visitNumber(dtype, [&](auto tag) { return loop = argmax<ElementOf<decltype(tag)>>, 0; });
}

Status ArgmaxPlan::execute(const void *x, int64_t *out, ThreadPool &pool) const {
  if (shape.outer * shape.inner != 0) loop(x, out, shape, pool);
  return Status::ok();
}

Status Kernel<"fin.argmax">::run(const KernelArgs &args) {
  AttrReader attrs = args.attrs;
  const TensorArg &x = args.inputs[0];
  return ArgmaxPlan(x.dtype, x.dims, attrs.integer()).execute(x.data, args.outputs[0].as<int64_t>(), args.pool);
}

} // namespace tinyfin
