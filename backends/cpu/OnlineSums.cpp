// SPDX-License-Identifier: Apache-2.0
// The maximum of a row and the sum of exp(x - maximum) by one loop, so that memory and arithmetic are busy at once and a
// row is read once. Each lane sums exp(x - shift) for a shift of its own:
//   1. as long as no element is above shift + 8, nothing is rescaled: sums of exp(8) are far from overflow;
//   2. else, which is rare, the shift becomes the lane's maximum so far, and its sums are multiplied by exp(old - new);
//   3. in the end the lanes' sums are multiplied by exp(shift - maximum) and added.
// NaN takes the rare way: there the maximum is taken as NaN wants it; sums become NaN by themselves.
#include "backends/cpu/Loops.h"
#include "runtime/Config.h"

using namespace mlir;
using namespace mlir::arith;

namespace tinyfin::cpu {
namespace {

constexpr double kLowest = -3e38, kHeadroom = 8;

/// What the loop carries.
enum Carried { Shift, Limit, Top, Sum };

Value anyLane(Code &code, Value mask) {
  Type bits = code.b.getIntegerType(code.lanes);
  Value word = LLVM::BitcastOp::create(code.b, code.loc, bits, mask);
  return code.compare(CmpIPredicate::ne, word, code.integer(0, bits));
}

Value larger(Code &code, Value a, Value b) { return code.select(code.compare(CmpFPredicate::OGT, a, b), a, b); }

/// Step 2.
SmallVector<Value> rescaled(Code &code, ArrayRef<Value> now, Value x) {
  Value top = emitMaximum(code, DType::F32, x, now[Top]), shift = larger(code, top, code.widen(code.constant(kLowest, top)));
  shift = code.select(code.compare(CmpFPredicate::UNO, top, top), top, shift);
  Value factor = Polynomials(code).exp(code.fsub(now[Shift], shift));
  return {shift, code.fadd(shift, code.constant(kHeadroom, shift)), top, code.fmul(now[Sum], factor)};
}

} // namespace

/// Whether all there is to reduce are a maximum and the sum of the exponentials of what is left above it.
std::optional<ReductionEmitter::Online> ReductionEmitter::findOnline() const {
  constexpr int64_t kMinRow = 2048; // shorter rows stay in the nearest cache, and start too often
  bool isLongRow = domain.laneIsReduced() && llvm::count(domain.isReduced, true) == 1 && domain.loops.back().isConstant() &&
                   domain.loops.back().constant() >= kMinRow;
  if (!isLongRow || code.lanes == 1 || spec.partials || writesFull || config::isDisabled("online-sums")) return {};
  if (items.size() != 2 || items[0].size() != 1 || items[1].size() != 1) return {};
  const KernelOp &top = *items[0][0].op, &sum = *items[1][0].op;
  if (top.id != OpId::ReduceMax || sum.id != OpId::Sum || spec.values[top.result].dtype != DType::F32) return {};
  int power = spec.producerOf(sum.operands[0]);
  if (power < 0 || spec.ops[power].isConstant() || spec.ops[power].id != OpId::Exp) return {};
  int difference = spec.producerOf(spec.ops[power].operands[0]);
  if (difference < 0 || spec.ops[difference].isConstant() || spec.ops[difference].id != OpId::Sub) return {};
  uint32_t from = top.operands[0];
  bool isOfSame = spec.ops[difference].operands[0] == from && spec.ops[difference].operands[1] == top.result;
  if (!isOfSame || spec.values[from].dtype != DType::F32 || spec.values[from].dims != domain.shape) return {};
  return Online{from};
}

void ReductionEmitter::fetchStream(const Access &access) {
  constexpr int64_t kBytesAhead = 8192;
  IndexMath math = evaluator.math();
  for (uint32_t input = 0; input < spec.numInputs; ++input) {
    const TensorSpec &type = spec.values[input];
    if (!used[0][input] || type.dims != domain.shape) continue;
    code.prefetch(type.dtype, pointers[input], math.add(math.linear(access, type.dims), kBytesAhead / static_cast<int64_t>(sizeOf(type.dtype))), 2);
  }
}

void ReductionEmitter::sumOnline() {
  Value infinite = code.widen(code.real(-INFINITY, code.b.getF32Type())), lowest = code.widen(code.constant(kLowest, infinite));
  SmallVector<Value> carried = {lowest, lowest, infinite, code.widen(code.constant(0, infinite))};
  // A vector a turn: more would ask memory for lines in bursts, which costs a tenth.
  VectorLoop(code, 1).run(domain.loops.back(), carried, [&](ArrayRef<Index> lanes, Value mask, llvm::SmallVectorImpl<Value> &now) {
    at.back() = lanes[0];
    select(0);
    Access access = evaluator.math().reshape(coordsOf(at), domain.loops, domain.shape);
    fetchStream(access);
    Value x = code.widen(evaluator.at(online->from, access, {{}, mask}));
    if (mask) x = code.select(mask, x, infinite);
    SmallVector<Type> types(now.size(), infinite.getType());
    Value isRare = anyLane(code, code.compare(CmpFPredicate::UGT, x, now[Limit]));
    now = code.branch(isRare, types, [&] { return rescaled(code, now, x); }, [&] {
      return SmallVector<Value>{now[Shift], now[Limit], larger(code, x, now[Top]), now[Sum]};
    });
    now[Sum] = code.fadd(now[Sum], Polynomials(code).exp(code.fsub(x, now[Shift])));
    evaluator.forget();
  });
  Item &top = items[0][0], &sum = items[1][0];
  top.results.assign(1, overLanes(*top.op, carried[Top]));
  Value factor = Polynomials(code).exp(code.fsub(carried[Shift], code.widen(top.results[0])));
  sum.results.assign(1, overLanes(*sum.op, code.fmul(carried[Sum], factor)));
}

} // namespace tinyfin::cpu
