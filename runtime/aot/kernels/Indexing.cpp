// SPDX-License-Identifier: Apache-2.0
// Ops that place elements by run-time indices, which are checked before the first write; and argmax.
#include "runtime/aot/kernels/Op.h"
#include <cstring>

namespace tinyfin::aot {
namespace {

size_t elementBytes(const Tensor &tensor) { return sizeOf(static_cast<DType>(tensor.dtype)); }

int32_t checkStarts(const Call &call, const Tensor &x, const int64_t *starts, const int64_t *sizes,
                    std::span<const int64_t> steps) {
  for (int64_t i = 0; i < x.rank; ++i) {
    if (sizes[i] == 0) continue;
    const __int128 last = static_cast<__int128>(starts[i]) + static_cast<__int128>(sizes[i] - 1) * steps[i];
    if (starts[i] >= 0 && starts[i] < x.dims[i] && last >= 0 && last < x.dims[i]) continue;
    return aot_fail(call.library, kOutOfRange,
                    "slice start %lld of axis %lld is out of range for extent %lld with size %lld and step %lld",
                    static_cast<long long>(starts[i]), static_cast<long long>(i), static_cast<long long>(x.dims[i]),
                    static_cast<long long>(sizes[i]), static_cast<long long>(steps[i]));
  }
  return kOk;
}

/// Calls copy(element of the whole, element of the part, count, step in the whole) for each row of the part.
template <class Copy>
void forRows(const Tensor &whole, const int64_t *sizes, const int64_t *starts, std::span<const int64_t> steps,
             Copy copy) {
  int64_t rank = whole.rank, width = rank ? sizes[rank - 1] : 1;
  int64_t rows = rank ? product(sizes, 0, rank - 1) : 1;
  if (width == 0) return;
  for (int64_t row = 0; row < rows; ++row) {
    int64_t at = 0, stride = rank ? whole.dims[rank - 1] : 1, rest = row;
    for (int64_t axis = rank - 2; axis >= 0; --axis) {
      at += (starts[axis] + rest % sizes[axis] * steps[axis]) * stride;
      rest /= sizes[axis];
      stride *= whole.dims[axis];
    }
    copy(rank ? at + starts[rank - 1] : 0, row * width, width, rank ? steps[rank - 1] : 1);
  }
}

void copyRow(char *to, int64_t toStep, const char *from, int64_t fromStep, int64_t count, int64_t bytes) {
  if (toStep == 1 && fromStep == 1) return void(std::memcpy(to, from, static_cast<size_t>(count * bytes)));
  for (int64_t i = 0; i < count; ++i)
    std::memcpy(to + i * toStep * bytes, from + i * fromStep * bytes, static_cast<size_t>(bytes));
}

int32_t slice(const Call &call) {
  AttrReader attrs = attrsOf(call);
  attrs.list(); // sizes: the result's dims
  auto steps = attrs.list();
  const Tensor &x = call.inputs[0], &result = call.outputs[0];
  const int64_t *starts = call.inputs[1].as<const int64_t>();
  if (int32_t code = checkStarts(call, x, starts, result.dims, steps)) return code;
  const int64_t bytes = static_cast<int64_t>(elementBytes(x));
  forRows(x, result.dims, starts, steps, [&](int64_t from, int64_t to, int64_t count, int64_t step) {
    copyRow(result.data + to * bytes, 1, x.data + from * bytes, step, count, bytes);
  });
  return kOk;
}

int32_t sliceUpdate(const Call &call) {
  AttrReader attrs = attrsOf(call);
  auto steps = attrs.list();
  const Tensor &x = call.inputs[0], &update = call.inputs[1], &result = call.outputs[0];
  const int64_t *starts = call.inputs[2].as<const int64_t>();
  if (int32_t code = checkStarts(call, x, starts, update.dims, steps)) return code;
  const int64_t bytes = static_cast<int64_t>(elementBytes(x));
  if (result.data != x.data) std::memcpy(result.data, x.data, static_cast<size_t>(x.numElements() * bytes));
  forRows(result, update.dims, starts, steps, [&](int64_t to, int64_t from, int64_t count, int64_t step) {
    copyRow(result.data + to * bytes, step, update.data + from * bytes, 1, count, bytes);
  });
  return kOk;
}

int32_t checkIndices(const Call &call, const IndexList &indices, int64_t axis, int64_t extent) {
  for (int64_t i = 0; i < indices.count; ++i)
    if (indices[i] < 0 || indices[i] >= extent)
      return aot_fail(call.library, kOutOfRange, "index %lld is out of range for axis %lld with extent %lld",
                      static_cast<long long>(indices[i]), static_cast<long long>(axis), static_cast<long long>(extent));
  return kOk;
}

int32_t gather(const Call &call) {
  AttrReader attrs = attrsOf(call);
  const int64_t axis = attrs.integer();
  const Tensor &x = call.inputs[0], &result = call.outputs[0];
  IndexList indices(call.inputs[1]);
  const int64_t extent = x.dims[axis], outer = product(x.dims, 0, axis);
  const int64_t bytes = product(x.dims, axis + 1, x.rank) * static_cast<int64_t>(elementBytes(x));
  if (int32_t code = checkIndices(call, indices, axis, extent)) return code;
  if (indices.count == 0) return kOk;
  parallelFor(call.library, outer * indices.count, pieceOf(bytes), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      std::memcpy(result.data + row * bytes,
                  x.data + (row / indices.count * extent + indices[row % indices.count]) * bytes,
                  static_cast<size_t>(bytes));
  });
  return kOk;
}

template <class T> T sum(T a, T b) {
  if constexpr (std::numeric_limits<T>::is_integer)
    return static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  else
    return store<T>(load<T>(a) + load<T>(b));
}

template <class T> int32_t scatterAdd(const Call &call) {
  AttrReader attrs = attrsOf(call);
  const int64_t axis = attrs.integer();
  const Tensor &x = call.inputs[0], &result = call.outputs[0];
  IndexList indices(call.inputs[1]);
  const int64_t extent = x.dims[axis], outer = product(x.dims, 0, axis), inner = product(x.dims, axis + 1, x.rank);
  if (int32_t code = checkIndices(call, indices, axis, extent)) return code;
  if (result.data != x.data) std::memcpy(result.data, x.data, static_cast<size_t>(x.numElements()) * sizeof(T));
  const T *updates = call.inputs[2].as<const T>();
  T *out = result.as<T>();
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < indices.count; ++i) {
      T *to = out + (o * extent + indices[i]) * inner;
      const T *from = updates + (o * indices.count + i) * inner;
      for (int64_t j = 0; j < inner; ++j) to[j] = sum<T>(to[j], from[j]);
    }
  return kOk;
}

/// The first largest element, or the first NaN.
template <class T> int32_t argmax(const Call &call) {
  AttrReader attrs = attrsOf(call);
  const int64_t axis = attrs.integer();
  const Tensor &x = call.inputs[0], &result = call.outputs[0];
  const int64_t extent = x.dims[axis], inner = product(x.dims, axis + 1, x.rank), outer = product(x.dims, 0, axis);
  const bool isWide = static_cast<DType>(result.dtype) == DType::I64;
  parallelFor(call.library, outer * inner, pieceOf(extent), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const T *row = x.as<const T>() + i / inner * extent * inner + i % inner;
      int64_t best = 0;
      auto largest = load<T>(row[0]);
      for (int64_t j = 1; j < extent; ++j) {
        auto value = load<T>(row[j * inner]);
        bool isLarger = (value > largest) | ((value != value) & (largest == largest));
        best = isLarger ? j : best;
        largest = isLarger ? value : largest;
      }
      if (isWide)
        result.as<int64_t>()[i] = best;
      else
        result.as<int32_t>()[i] = static_cast<int32_t>(best);
    }
  });
  return kOk;
}

int32_t assertAll(const Call &call) {
  AttrReader attrs = attrsOf(call);
  std::string_view text = attrs.text();
  const uint8_t *condition = call.inputs[0].as<const uint8_t>();
  const int64_t count = call.inputs[0].numElements();
  int failed = 0;
  for (int64_t i = 0; i < count; ++i) failed |= !condition[i];
  return failed ? aot_fail(call.library, kAssertFailed, "%.*s", static_cast<int>(text.size()), text.data())
                : int32_t(kOk);
}

} // namespace
} // namespace tinyfin::aot

using namespace tinyfin;
TINYFIN_AOT_OP(slice) { return aot::slice(*call); }
TINYFIN_AOT_OP(slice_update) { return aot::sliceUpdate(*call); }
TINYFIN_AOT_OP(gather) { return aot::gather(*call); }
TINYFIN_AOT_OP(assert) { return aot::assertAll(*call); }
TINYFIN_AOT_NUMBER_OP(scatter_add, aot::scatterAdd)
TINYFIN_AOT_NUMBER_OP(argmax, aot::argmax)
