// SPDX-License-Identifier: Apache-2.0
// Values whose positions are shifted, joined or looked up: slice, concat, pad, gather, iota.
#include "backends/cpu/Evaluate.h"
#include <numeric>

using namespace mlir;
using namespace mlir::arith;

namespace tinyfin::cpu {

void Evaluator::restrict(Mask &mask, const Index &position, Value low, Value high) {
  Value where = position.isUniform() ? math().scalar(position) : math().perLane(position);
  Value inside = code.conjunction(code.compare(CmpIPredicate::sge, where, low), code.compare(CmpIPredicate::slt, where, high));
  Value &part = position.isUniform() ? mask.uniform : mask.lanes;
  part = code.conjunction(part, inside);
}

Value Evaluator::choose(const Mask &mask, Value a, Value b) {
  if (mask.lanes) a = code.select(mask.lanes, a, b);
  return mask.uniform ? code.select(mask.uniform, a, b) : a;
}

Value Evaluator::sliced(const KernelOp &op, Access access, Mask mask) {
  ArrayRef<Dim> dims = spec.values[op.result].dims, from = spec.values[op.operands[0]].dims;
  AttrReader attrs(op.attrs);
  attrs.list();
  std::span<const int64_t> steps = attrs.list();
  for (unsigned axis = 0; axis < dims.size(); ++axis) {
    if (dims[axis] == from[axis] && steps[axis] == 1) continue; // all of it: the start can only be 0
    splitBefore(access, dims, axis);
    if (steps[axis] != 1) splitBefore(access, dims, axis + 1);
  }
  for (unsigned axis = 0; axis < dims.size(); ++axis) {
    if (dims[axis] == from[axis] && steps[axis] == 1) continue;
    auto [number, inner] = coordAt(access, dims, axis);
    // The range was checked before the launch; a wrong start still never leaves the tensor.
    Value span = code.mul(code.sub(code.extent(dims[axis]), code.i64(1)), code.i64(steps[axis]));
    Value end = code.sub(code.extent(from[axis]), code.i64(1));
    Value low = steps[axis] < 0 ? code.sub(code.i64(0), span) : code.i64(0);
    Value high = steps[axis] < 0 ? end : code.sub(end, span);
    Value start = code.b.createOrFold<MaxSIOp>(code.loc, code.least(element(op.operands[1], axis), high), low);
    Index first = math().multiply(Index::uniform(start), inner);
    access[number].at = math().add(math().multiply(access[number].at, steps[axis]), first);
  }
  return at(op.operands[0], access, mask);
}

Value Evaluator::concatenated(const KernelOp &op, Access access, Mask mask) {
  ArrayRef<Dim> dims = spec.values[op.result].dims;
  unsigned axis = AttrReader(op.attrs).integer();
  splitBefore(access, dims, axis);
  auto [number, inner] = coordAt(access, dims, axis);
  Value scale = code.extent(inner), start = code.i64(0), result;
  for (uint32_t operand : op.operands) {
    const TensorSpec &part = spec.values[operand];
    if (llvm::any_of(part.dims, [](Dim dim) { return dim.is(0); })) continue;
    Value end = code.add(start, code.mul(code.extent(part.dims[axis]), scale));
    Mask inside;
    restrict(inside, access[number].at, start, end);
    Mask both = mask;
    both.uniform = code.conjunction(both.uniform, inside.uniform);
    both.lanes = code.conjunction(both.lanes, inside.lanes);
    Access local = access;
    std::optional<int64_t> offset = code.known(start);
    Value negative = code.sub(code.i64(0), start);
    local[number].at = offset ? math().add(local[number].at, -*offset) : math().add(local[number].at, Index::uniform(negative));
    Value item = at(operand, local, both);
    result = result ? choose(inside, item, result) : item;
    start = end;
  }
  return result ? result : code.constant(0, code.integer(0, code.computeType(spec.values[op.result].dtype)));
}

Value Evaluator::padded(const KernelOp &op, Access access, Mask mask) {
  ArrayRef<Dim> dims = spec.values[op.result].dims, from = spec.values[op.operands[0]].dims;
  AttrReader attrs(op.attrs);
  std::span<const int64_t> low = attrs.list(), high = attrs.list();
  Value filler = at(op.operands[1], {}, mask);
  if (llvm::any_of(from, [](Dim dim) { return dim.is(0); })) return filler;
  Mask inside;
  for (unsigned axis = 0; axis < dims.size(); ++axis)
    if (low[axis] || high[axis]) splitBefore(access, dims, axis);
  for (unsigned axis = 0; axis < dims.size(); ++axis) {
    if (!low[axis] && !high[axis]) continue;
    auto [number, inner] = coordAt(access, dims, axis);
    Index &position = access[number].at;
    position = math().add(position, math().multiply(Index::constant(-low[axis]), inner));
    restrict(inside, position, code.i64(0), code.mul(code.extent(from[axis]), code.extent(inner)));
  }
  Mask both{code.conjunction(mask.uniform, inside.uniform), code.conjunction(mask.lanes, inside.lanes)};
  return choose(inside, at(op.operands[0], access, both), filler);
}

Value Evaluator::gathered(const KernelOp &op, Access access, Mask mask) {
  ArrayRef<Dim> dims = spec.values[op.result].dims, from = spec.values[op.operands[0]].dims;
  const TensorSpec &indices = spec.values[op.operands[1]];
  unsigned axis = AttrReader(op.attrs).integer(), end = axis + indices.rank();
  splitBefore(access, dims, axis);
  splitBefore(access, dims, end);
  Access before, middle, after;
  unsigned first = 0;
  for (const Coord &coord : access) {
    (first < axis ? before : first < end ? middle : after).push_back(coord);
    first += coord.count;
  }
  Value index = emitCast(code, indices.dtype, DType::I64, at(op.operands[1], middle, mask));
  // The range was checked before the launch; lanes beyond the row's end may hold anything.
  Value last = code.sub(code.extent(from[axis]), code.i64(1));
  index = code.binary<MaxSIOp>(code.binary<MinSIOp>(index, last), code.i64(0));
  Index position = Code::isVector(index) ? Index{{}, 0, 0, index, 0} : Index::uniform(index);
  before.push_back({position, 1});
  before.append(after);
  return at(op.operands[0], before, mask);
}

Index Evaluator::countedAt(const KernelOp &op, Access access) {
  ArrayRef<Dim> dims = spec.values[op.result].dims;
  AttrReader attrs(op.attrs);
  attrs.list();
  unsigned axis = attrs.integer();
  splitBefore(access, dims, axis);
  splitBefore(access, dims, axis + 1);
  return access[coordAt(access, dims, axis).first].at;
}

/// Whether positions equal a number that all lanes share (a row's label): its distance from the first lane, if it is within
/// the vector, is compared with the lanes' numbers. A quarter of the work of comparing 64-bit positions.
Value Evaluator::isCountedEqual(const KernelOp &op, const Access &access, Mask mask) {
  for (unsigned i = 0; i < 2; ++i) {
    int producer = spec.producerOf(op.operands[i]);
    if (code.lanes == 1 || producer < 0 || spec.ops[producer].isConstant() || spec.ops[producer].id != OpId::Iota) continue;
    ArrayRef<Dim> dims = spec.values[op.result].dims;
    auto accessOf = [&](unsigned operand) { return broadcast(access, dims, spec.values[op.operands[operand]].dims); };
    Index position = countedAt(spec.ops[producer], accessOf(i));
    Value number = at(op.operands[1 - i], accessOf(1 - i), mask);
    if (position.stride != 1 || position.lanes || Code::isVector(number) || !number.getType().isInteger(64)) continue;
    Value distance = code.sub(number, math().scalar(position));
    Value isNear = code.compare(arith::CmpIPredicate::ult, distance, code.i64(code.lanes));
    Value lane = arith::TruncIOp::create(code.b, code.loc, code.b.getI32Type(), code.select(isNear, distance, code.i64(-1)));
    SmallVector<int32_t> numbers(code.lanes);
    std::iota(numbers.begin(), numbers.end(), 0);
    auto type = cast<ShapedType>(code.vectorOf(code.b.getI32Type()));
    Value lanes = arith::ConstantOp::create(code.b, code.loc, DenseElementsAttr::get(type, ArrayRef<int32_t>(numbers)));
    return code.compare(arith::CmpIPredicate::eq, lanes, lane);
  }
  return {};
}

Value Evaluator::counted(const KernelOp &op, Access access) {
  Index position = countedAt(op, access);
  Value count = position.isUniform() ? math().scalar(position) : math().perLane(position);
  return emitCast(code, DType::I64, spec.values[op.result].dtype, count);
}

} // namespace tinyfin::cpu
