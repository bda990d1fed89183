// SPDX-License-Identifier: Apache-2.0
// Shape rules of attention and its gradients. All extents may be symbols.
#include "ir/shape/Check.h"

using llvm::failed, llvm::failure, llvm::LogicalResult, llvm::success, llvm::Twine;

namespace tinyfin::fin::shape {
namespace {

/// What q, k and v are, [B, H, S, D] or [B, S, H, D].
struct Heads {
  TensorSpec q, k, v;
  bool headsFirst;

  Dim batch() const { return q.dims[0]; }
  Dim heads() const { return q.dims[headsFirst ? 1 : 2]; }
  Dim queries() const { return q.dims[headsFirst ? 2 : 1]; }
  Dim keys() const { return k.dims[headsFirst ? 2 : 1]; }
  TensorSpec output() const {
    TensorSpec spec = q;
    spec.dims[3] = v.dims[3];
    return spec;
  }
  /// Of lse and delta.
  TensorSpec rows() const {
    return {sizeOf(q.dtype) == 2 ? DType::F32 : q.dtype, Dims(llvm::ArrayRef<Dim>(q.dims).drop_back())};
  }
};

LogicalResult expectCount(ShapeQuery &q, size_t wanted) {
  if (q.operands.size() == wanted || q.operands.size() == wanted + 1) return success();
  return q.fail("found " + Twine(q.operands.size()) + " operands, wanted " + Twine(wanted) + ", or one more for a mask");
}

LogicalResult expectHeads(ShapeQuery &query, const Heads &x) {
  for (const TensorSpec *spec : {&x.q, &x.k, &x.v}) {
    if (!isFloat(spec->dtype)) return query.fail("found " + spec->str() + ", wanted a floating-point dtype");
    if (spec->rank() != 4) return query.fail("found " + spec->str() + ", wanted rank 4 for q, k and v");
    if (spec->dtype != x.q.dtype) return query.fail("dtypes differ: q is " + x.q.str() + ", found " + spec->str());
    size_t headAxis = x.headsFirst ? 1 : 2;
    if (spec->dims[0] != x.batch() || spec->dims[headAxis] != x.heads())
      return query.fail("batches or heads differ: q is " + x.q.str() + ", found " + spec->str());
  }
  if (x.q.dims[3] != x.k.dims[3]) return query.fail("the depths of q and k differ: " + x.q.str() + " vs " + x.k.str());
  Dim values = x.v.dims[x.headsFirst ? 2 : 1];
  if (x.keys() != values) return query.fail("the lengths of k and v differ: " + x.k.str() + " vs " + x.v.str());
  return success();
}

LogicalResult expectMask(ShapeQuery &query, size_t operand, const Heads &x) {
  if (operand >= query.operands.size()) return success();
  const TensorSpec &mask = query.operands[operand];
  if (mask.dtype != DType::Bool && mask.dtype != x.q.dtype)
    return query.fail("the mask is " + mask.str() + ", wanted bool or the dtype of q, " + x.q.str());
  Dims whole{x.batch(), x.heads(), x.queries(), x.keys()};
  bool fits = mask.rank() == 4;
  for (size_t i = 0; fits && i < 4; ++i) fits = mask.dims[i].is(1) || mask.dims[i] == whole[i];
  return fits ? success() : query.fail("the mask is " + mask.str() + ", wanted " + str(whole) + " or extents of 1");
}

LogicalResult expectSpec(ShapeQuery &query, size_t operand, const char *name, const TensorSpec &wanted) {
  if (query.operands[operand] == wanted) return success();
  return query.fail(Twine(name) + " is " + query.operands[operand].str() + ", wanted " + wanted.str());
}

/// dy, then lse and delta from `rows` on, then maybe the mask.
LogicalResult expectGradOperands(ShapeQuery &query, const Heads &x, size_t rows) {
  if (failed(expectHeads(query, x)) || failed(expectSpec(query, 0, "dy", x.output())) ||
      failed(expectSpec(query, rows, "lse", x.rows())) || failed(expectSpec(query, rows + 1, "delta", x.rows())))
    return failure();
  return expectMask(query, rows + 2, x);
}

LogicalResult headsOf(ShapeQuery &query, size_t first, Heads &x) {
  query.attrs.flag(); // causal
  query.attrs.real(); // scale
  x = {query.operands[first], query.operands[first + 1], query.operands[first + 2], query.attrs.flag()};
  return success();
}

LogicalResult headsOfPacked(ShapeQuery &query, size_t operand, Heads &x) {
  const TensorSpec &packed = query.operands[operand];
  if (packed.rank() != 5 || !packed.dims[2].is(3))
    return query.fail("the packed projection is " + packed.str() + ", wanted [batch, length, 3, heads, depth]");
  TensorSpec part{packed.dtype, {packed.dims[0], packed.dims[1], packed.dims[3], packed.dims[4]}};
  x = {part, part, part, false};
  return success();
}

LogicalResult giveOutput(ShapeQuery &query, const Heads &x, size_t mask) {
  if (failed(expectHeads(query, x)) || failed(expectMask(query, mask, x))) return failure();
  TensorSpec output = x.output(), rows = x.rows();
  (void)query.result(output.dtype, output.dims);
  return query.result(rows.dtype, rows.dims);
}

} // namespace

LogicalResult attention(ShapeQuery &query) {
  Heads x;
  if (failed(expectCount(query, 3)) || failed(headsOf(query, 0, x))) return failure();
  return giveOutput(query, x, 3);
}

LogicalResult packedAttention(ShapeQuery &query) {
  Heads x;
  if (failed(expectCount(query, 1)) || failed(headsOfPacked(query, 0, x))) return failure();
  return giveOutput(query, x, 1);
}

LogicalResult attentionGrad(ShapeQuery &query) {
  Heads x;
  if (failed(expectCount(query, 6)) || failed(headsOf(query, 1, x)) || failed(expectGradOperands(query, x, 4)))
    return failure();
  for (const TensorSpec *spec : {&x.q, &x.k, &x.v}) (void)query.result(spec->dtype, spec->dims);
  return success();
}

LogicalResult packedAttentionGrad(ShapeQuery &query) {
  Heads x;
  if (failed(expectCount(query, 4)) || failed(headsOfPacked(query, 1, x)) || failed(expectGradOperands(query, x, 2)))
    return failure();
  return query.result(query.operands[1].dtype, query.operands[1].dims);
}

} // namespace tinyfin::fin::shape
