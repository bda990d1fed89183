// SPDX-License-Identifier: Apache-2.0
// Attention as recorded: on a packed projection where query, key and value are views of one.
#include "frontend/Ops.h"
#include "frontend/ViewGeometry.h"
#include <bit>

namespace tinyfin::ops {
namespace {

/// The tensor whose columns are query, key and value, as [B, S, 3, H, D]; null where they are something else.
Tensor packedProjection(const Tensor &q, const Tensor &k, const Tensor &v) {
  std::optional<ViewGeometry> parts[3];
  int number = 0;
  for (const Tensor *x : {&q, &k, &v}) {
    std::optional<ViewGeometry> &part = parts[number++] = geometryOf(**x);
    if (!part || part->root != parts[0]->root || part->dims != parts[0]->dims) return {};
  }
  llvm::ArrayRef<int64_t> dims(parts[0]->dims);
  if (dims.size() != 4) return {};
  const int64_t batch = dims[0], heads = dims[1], length = dims[2], depth = dims[3], width = heads * depth;
  const int64_t strides[] = {length * 3 * width, depth, 3 * width, 1};
  for (int64_t which = 0; which < 3; ++which) {
    if (parts[which]->offset != which * width) return {};
    for (int axis = 0; axis < 4; ++axis)
      if (dims[axis] != 1 && parts[which]->strides[axis] != strides[axis]) return {};
  }
  Tensor root(parts[0]->root);
  if (fin::numElements(root->spec.dims) != Dim(batch * length * 3 * width)) return {};
  Dims packed{Dim(batch), Dim(length), Dim(3), Dim(heads), Dim(depth)};
  return root->spec.dims == packed ? root : reshapeDims(root, packed);
}

} // namespace

Tensor attention(const Tensor &q, const Tensor &k, const Tensor &v, const Tensor &mask, bool isCausal, double scale) {
  Words attrs{isCausal, std::bit_cast<int64_t>(scale)};
  Vars operands;
  auto add = [&](const Tensor &x) { operands.push_back(x->read()); };
  if (Tensor packed = packedProjection(q, k, v)) {
    add(packed);
    if (mask) add(mask);
    return swapAxes(makeTensor(raw(OpId::PackedAttention, attrs, operands)[0]), 1, 2);
  }
  for (const Tensor *x : {&q, &k, &v}) add(*x);
  if (mask) add(mask);
  attrs.push_back(/*heads_first=*/1);
  return makeTensor(raw(OpId::Attention, attrs, operands)[0]);
}

} // namespace tinyfin::ops
