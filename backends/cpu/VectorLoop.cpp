// SPDX-License-Identifier: Apache-2.0
// Extents that are known leave straight code for the remainder; others a masked loop.
#include "backends/cpu/VectorLoop.h"
#include <numeric>

using namespace mlir;

namespace tinyfin::cpu {

SmallVector<Index> VectorLoop::vectors(Value base, int64_t offset, int count, int64_t align) {
  SmallVector<Index> result;
  for (int u = 0; u < count; ++u) {
    Index at = base ? Index::uniform(base, align) : Index();
    at.offset = offset + u * code.lanes;
    at.stride = code.lanes == 1 ? 0 : 1;
    result.push_back(at);
  }
  return result;
}

void VectorLoop::strided(Value low, Value high, int64_t step, int count, bool isMasked, int64_t align,
                         llvm::SmallVectorImpl<Value> &carried, Body body) {
  SmallVector<Value> results = code.loop(low, high, code.i64(step), ValueRange(carried), [&](Value iv, ValueRange inside) {
    SmallVector<Value> next(inside.begin(), inside.end());
    body(vectors(iv, 0, count, std::gcd(align, step)), isMasked ? code.tailMask(code.sub(high, iv)) : Value(), next);
    return next;
  });
  carried.assign(results.begin(), results.end());
}

void VectorLoop::unrolled(int64_t count, llvm::SmallVectorImpl<Value> &carried, Body body) {
  int64_t step = int64_t(code.lanes) * unroll, done = count / step * step;
  if (done > step) strided(code.i64(0), code.i64(done), step, unroll, false, 0, carried, body);
  else if (done) body(vectors({}, 0, unroll, 0), {}, carried);
  int64_t whole = (count - done) / code.lanes;
  if (whole) body(vectors({}, done, whole, 0), {}, carried);
  done += whole * code.lanes;
  if (done < count) body(vectors({}, done, 1, 0), code.tailMask(code.i64(count - done)), carried);
}

void VectorLoop::run(Dim extent, llvm::SmallVectorImpl<Value> &carried, Body body) {
  if (extent.isConstant()) return unrolled(extent.constant(), carried, body);
  run(code.i64(0), code.extent(extent), 0, carried, body);
}

void VectorLoop::run(Value low, Value high, int64_t align, llvm::SmallVectorImpl<Value> &carried, Body body) {
  int64_t step = int64_t(code.lanes) * unroll;
  Value whole = code.mul(code.divide(code.sub(high, low), code.i64(step)), code.i64(step));
  Value middle = code.add(low, whole);
  strided(low, middle, step, unroll, false, align, carried, body);
  strided(middle, high, code.lanes, 1, true, align, carried, body);
}

void VectorLoop::runShifted(Dim extent, Value shift, llvm::SmallVectorImpl<Value> &carried, Body body) {
  // Before the first whole vector stands one whose lanes are on from `shift` (from its end where nothing is left over).
  Value lanes = code.i64(code.lanes), whole = code.sub(lanes, shift);
  Value on = code.b.createOrFold<arith::XOrIOp>(code.loc, code.tailMask(shift), code.widen(code.integer(1, code.b.getI1Type())));
  body(vectors(code.sub(code.i64(0), shift), 0, 1, 1), on, carried);
  run(whole, code.extent(extent), 1, carried, body);
}

} // namespace tinyfin::cpu
