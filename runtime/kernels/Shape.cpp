// SPDX-License-Identifier: Apache-2.0
// Kernels that make tensors or move elements by layout: iota, full, reshape, transpose, broadcast, concat, pad.
#include "runtime/kernels/Dispatch.h"
#include "runtime/kernels/Kernels.h"
#include "runtime/kernels/StridedCopy.h"
#include <cstring>

namespace tinyfin {
namespace {

char *elementAt(const TensorArg &tensor, int64_t index) {
  return tensor.as<char>() + index * static_cast<int64_t>(sizeOf(tensor.dtype));
}

void fillWith(const TensorArg &out, const void *value, ThreadPool &pool) {
  visitSize(out.dtype, [&](auto tag) {
    using T = ElementOf<decltype(tag)>;
    forElements(pool, out.numElements(), [&](int64_t begin, int64_t end) {
      std::fill(out.as<T>() + begin, out.as<T>() + end, *static_cast<const T *>(value));
    });
    return 0;
  });
}

void copyBytes(const TensorArg &out, const void *from, ThreadPool &pool) {
  const int64_t size = static_cast<int64_t>(sizeOf(out.dtype));
  forElements(pool, out.numElements(), [&](int64_t begin, int64_t end) {
    std::memcpy(out.as<char>() + begin * size, static_cast<const char *>(from) + begin * size,
                static_cast<size_t>((end - begin) * size));
  });
}

} // namespace

Status Kernel<"fin.iota">::run(const KernelArgs &args) {
  AttrReader attrs = args.attrs;
  attrs.list(); // the shape is the output's
  const size_t axis = static_cast<size_t>(attrs.integer());
  const TensorArg &out = args.outputs[0];
  const int64_t count = out.numElements();
  if (count == 0) return Status::ok();
  const int64_t inner = strideOf(out.dims, axis), extent = out.dims[axis];
  visitNumber(out.dtype, [&](auto tag) {
    using T = ElementOf<decltype(tag)>;
    forElements(args.pool, count, [&](int64_t begin, int64_t end) {
      int64_t value = begin / inner % extent, repeat = begin % inner;
      for (int64_t i = begin; i < end; ++i) {
        out.as<T>()[i] = store<T>(static_cast<Compute<T>>(value));
        if (++repeat < inner) continue;
        repeat = 0;
        if (++value == extent) value = 0;
      }
    });
    return 0;
  });
  return Status::ok();
}

Status Kernel<"fin.full">::run(const KernelArgs &args) {
  return fillWith(args.outputs[0], args.inputs[0].data, args.pool), Status::ok();
}

Status Kernel<"fin.reshape">::run(const KernelArgs &args) {
  return copyBytes(args.outputs[0], args.inputs[0].data, args.pool), Status::ok();
}

Status Kernel<"fin.transpose">::run(const KernelArgs &args) {
  AttrReader attrs = args.attrs;
  std::span<const int64_t> permutation = attrs.list();
  const TensorArg &x = args.inputs[0], &out = args.outputs[0];
  StridedCopy copy(out.data, x.data, out.dtype);
  for (size_t i = 0; i < out.dims.size(); ++i)
    copy.axis(out.dims[i], strideOf(out.dims, i), strideOf(x.dims, static_cast<size_t>(permutation[i])));
  return copy.run(args.pool);
}

Status Kernel<"fin.broadcast">::run(const KernelArgs &args) {
  const TensorArg &x = args.inputs[0], &out = args.outputs[0];
  const size_t added = out.dims.size() - x.dims.size();
  StridedCopy copy(out.data, x.data, out.dtype);
  for (size_t i = 0; i < out.dims.size(); ++i) {
    const bool repeated = i < added || x.dims[i - added] == 1;
    copy.axis(out.dims[i], strideOf(out.dims, i), repeated ? 0 : strideOf(x.dims, i - added));
  }
  return copy.run(args.pool);
}

Status Kernel<"fin.concat">::run(const KernelArgs &args) {
  AttrReader attrs = args.attrs;
  const size_t axis = static_cast<size_t>(attrs.integer());
  const TensorArg &out = args.outputs[0];
  const int64_t inner = strideOf(out.dims, axis);
  int64_t at = 0;
  for (const TensorArg &x : args.inputs) {
    StridedCopy copy(elementAt(out, at * inner), x.data, out.dtype);
    for (size_t i = 0; i < x.dims.size(); ++i) copy.axis(x.dims[i], strideOf(out.dims, i), strideOf(x.dims, i));
    TINYFIN_RETURN_IF_ERROR(copy.run(args.pool));
    at += x.dims[axis];
  }
  return Status::ok();
}

// The border is written first, then the operand over it: the border is small or the tensor is.
Status Kernel<"fin.pad">::run(const KernelArgs &args) {
  AttrReader attrs = args.attrs;
  std::span<const int64_t> low = attrs.list();
  const TensorArg &x = args.inputs[0], &out = args.outputs[0];
  fillWith(out, args.inputs[1].data, args.pool);
  int64_t start = 0;
  for (size_t i = 0; i < x.dims.size(); ++i) start += low[i] * strideOf(out.dims, i);
  StridedCopy copy(elementAt(out, start), x.data, out.dtype);
  for (size_t i = 0; i < x.dims.size(); ++i) copy.axis(x.dims[i], strideOf(out.dims, i), strideOf(x.dims, i));
  return copy.run(args.pool);
}

} // namespace tinyfin
