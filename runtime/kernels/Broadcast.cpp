// SPDX-License-Identifier: Apache-2.0
// Broadcasting: merged axes, and the walk over rows.
#include "runtime/kernels/Broadcast.h"

namespace tinyfin {
namespace {

/// Axes innermost first; strides in bytes.
struct RowWalk {
  int operands = 0;
  int axes = 0;
  unsigned moving = 0;
  int64_t outSize = 0;
  int64_t extents[kMaxAxes];
  int64_t strides[kMaxOperands][kMaxAxes];

  bool mergesWithLast(const int64_t *next) const {
    for (int k = 0; k < operands; ++k)
      if (next[k] != strides[k][axes - 1] * extents[axes - 1]) return false;
    return true;
  }
  bool append(int64_t extent, const int64_t *next) {
    if (axes > 0 && mergesWithLast(next)) return extents[axes - 1] *= extent, true;
    if (axes == kMaxAxes) return false;
    extents[axes] = extent;
    for (int k = 0; k < operands; ++k) strides[k][axes] = next[k];
    return ++axes, true;
  }
};

bool planRows(const KernelArgs &args, RowWalk &walk) {
  const TensorArg &out = args.outputs[0];
  walk.operands = static_cast<int>(args.inputs.size());
  walk.outSize = static_cast<int64_t>(sizeOf(out.dtype));
  int64_t running[kMaxOperands];
  for (int k = 0; k < walk.operands; ++k) running[k] = static_cast<int64_t>(sizeOf(args.inputs[k].dtype));

  const size_t rank = out.dims.size();
  for (size_t fromRight = 0; fromRight < rank; ++fromRight) {
    int64_t next[kMaxOperands];
    for (int k = 0; k < walk.operands; ++k) {
      std::span<const int64_t> dims = args.inputs[k].dims;
      int64_t extent = fromRight < dims.size() ? dims[dims.size() - 1 - fromRight] : 1;
      next[k] = extent == 1 ? 0 : running[k];
      running[k] *= extent;
    }
    int64_t extent = out.dims[rank - 1 - fromRight];
    if (extent != 1 && !walk.append(extent, next)) return false;
  }
  for (int k = 0; k < walk.operands; ++k)
    if (walk.strides[k][0] != 0) walk.moving |= 1u << k;
  return true;
}

/// Computes the elements [begin, end) of the row-major result.
void walkRows(const KernelArgs &args, const RowWalk &walk, RowFn row, int64_t begin, int64_t end) {
  int64_t index[kMaxAxes];
  const char *at[kMaxOperands];
  for (int k = 0; k < walk.operands; ++k) at[k] = args.inputs[k].as<const char>();
  int64_t rest = begin;
  for (int axis = 0; axis < walk.axes; ++axis) {
    index[axis] = rest % walk.extents[axis];
    rest /= walk.extents[axis];
    for (int k = 0; k < walk.operands; ++k) at[k] += index[axis] * walk.strides[k][axis];
  }
  char *out = args.outputs[0].as<char>() + begin * walk.outSize;
  while (true) {
    int64_t length = std::min(walk.extents[0] - index[0], end - begin);
    row(out, reinterpret_cast<const void *const *>(at), walk.moving, length);
    begin += length;
    if (begin >= end) return;
    out += length * walk.outSize;
    for (int k = 0; k < walk.operands; ++k) at[k] -= index[0] * walk.strides[k][0];
    index[0] = 0;
    for (int axis = 1; axis < walk.axes; ++axis) {
      for (int k = 0; k < walk.operands; ++k) at[k] += walk.strides[k][axis];
      if (++index[axis] < walk.extents[axis]) break;
      for (int k = 0; k < walk.operands; ++k) at[k] -= walk.extents[axis] * walk.strides[k][axis];
      index[axis] = 0;
    }
  }
}

void runDense(const KernelArgs &args, RowFn row, int64_t count) {
  const unsigned all = (1u << args.inputs.size()) - 1;
  const int64_t outSize = static_cast<int64_t>(sizeOf(args.outputs[0].dtype));
  forElements(args.pool, count, [&](int64_t begin, int64_t end) {
    const void *at[kMaxOperands];
    for (size_t k = 0; k < args.inputs.size(); ++k)
      at[k] = args.inputs[k].as<const char>() + begin * static_cast<int64_t>(sizeOf(args.inputs[k].dtype));
    row(args.outputs[0].as<char>() + begin * outSize, at, all, end - begin);
  });
}

} // namespace

Status runRows(const KernelArgs &args, RowFn row) {
  if (!row)
    return Status::error(StatusCode::Internal, std::string("no elementwise loop for ") + nameOf(args.inputs[0].dtype));
  const int64_t count = args.outputs[0].numElements();
  if (count == 0) return Status::ok();
  bool dense = true;
  for (const TensorArg &input : args.inputs) dense &= input.numElements() == count;
  if (dense) return runDense(args, row, count), Status::ok();

  RowWalk walk;
  if (!planRows(args, walk))
    return Status::error(StatusCode::Unsupported,
                         "broadcast over more than " + std::to_string(kMaxAxes) + " axes that do not merge");
  forElements(args.pool, count, [&](int64_t begin, int64_t end) { walkRows(args, walk, row, begin, end); });
  return Status::ok();
}

} // namespace tinyfin
