// SPDX-License-Identifier: Apache-2.0
// Kernel of argmax: the first largest element along an axis; the first NaN, if there is one.
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

template <class T> void argmax(const KernelArgs &args, size_t axis) {
  const TensorArg &x = args.inputs[0], &out = args.outputs[0];
  const int64_t extent = x.dims[axis], inner = strideOf(x.dims, axis);
  const int64_t outer = out.numElements() / inner;
  const int64_t blocks = inner == 1 ? 1 : (inner + kColumns - 1) / kColumns;
  auto body = [&](int64_t begin, int64_t end) {
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t o = unit / blocks, from = unit % blocks * kColumns, size = std::min(kColumns, inner - from);
      const T *at = x.as<const T>() + o * extent * inner + from;
      int64_t best[kColumns];
      if (inner == 1)
        best[0] = argmaxOfRow(at, extent);
      else
        argmaxOfColumns(at, extent, inner, size, best);
      std::copy_n(best, size, out.as<int64_t>() + o * inner + from);
    }
  };
  if (outer * extent * inner <= kSerialElements) return body(0, outer * blocks);
  args.pool.parallelFor(outer * blocks, std::max<int64_t>(1, kElementGrain / (extent * std::min(inner, kColumns))),
                        body);
}

} // namespace

Status Kernel<"fin.argmax">::run(const KernelArgs &args) {
  AttrReader attrs = args.attrs;
  const size_t axis = static_cast<size_t>(attrs.integer());
  if (args.outputs[0].numElements() == 0) return Status::ok();
  visitNumber(args.inputs[0].dtype, [&](auto tag) { return argmax<ElementOf<decltype(tag)>>(args, axis), 0; });
  return Status::ok();
}

} // namespace tinyfin
