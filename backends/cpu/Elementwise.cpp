// SPDX-License-Identifier: Apache-2.0
// One form for each elementwise op.
#include "backends/cpu/Elementwise.h"

using namespace mlir;
using namespace mlir::arith;

namespace tinyfin::cpu {

static bool isUnsigned(DType dtype) { return dtype == DType::U8 || dtype == DType::Bool; }

/// maxps and minps give their second operand when one is NaN, so that only a NaN of the first is left to choose. As an
/// intrinsic: LLVM would join two selects to two comparisons and their disjunction.
static Value emitExtreme(Code &code, CmpFPredicate wins, Value a, Value b) {
  code.unify(a, b);
  Value extreme;
  if (code.machine.lanes == 16 && Code::isVector(a) && Code::elementOf(a).isF32()) {
    StringRef name = wins == CmpFPredicate::OGT ? "llvm.x86.avx512.max.ps.512" : "llvm.x86.avx512.min.ps.512";
    Value current = code.integer(4, code.b.getI32Type()); // exceptions as the thread's
    extreme = LLVM::CallIntrinsicOp::create(code.b, code.loc, a.getType(), code.b.getStringAttr(name), ValueRange{a, b, current}).getResult(0);
  } else {
    extreme = code.select(code.compare(wins, a, b), a, b);
  }
  return code.select(code.compare(CmpFPredicate::UNO, a, a), a, extreme);
}

Value emitMaximum(Code &code, DType dtype, Value a, Value b) {
  if (isFloat(dtype)) return emitExtreme(code, CmpFPredicate::OGT, a, b);
  return isUnsigned(dtype) ? code.binary<MaxUIOp>(a, b) : code.binary<MaxSIOp>(a, b);
}

Value emitMinimum(Code &code, DType dtype, Value a, Value b) {
  if (isFloat(dtype)) return emitExtreme(code, CmpFPredicate::OLT, a, b);
  return isUnsigned(dtype) ? code.binary<MinUIOp>(a, b) : code.binary<MinSIOp>(a, b);
}

/// Float to integer truncates; NaN and what does not fit give some integer, as in C++.
static Value realToInteger(Code &code, DType to, Value value) {
  Type i32 = code.b.getI32Type(), target = code.computeType(to);
  if (to == DType::I64 || to == DType::I32)
    return FPToSIOp::create(code.b, code.loc, Code::shapedLike(target, value), value);
  Value wide = FPToSIOp::create(code.b, code.loc, Code::shapedLike(i32, value), value);
  return TruncIOp::create(code.b, code.loc, Code::shapedLike(target, value), wide);
}

static Value integerToReal(Code &code, DType from, Type target, Value value) {
  Type type = Code::shapedLike(target, value);
  if (isUnsigned(from)) return UIToFPOp::create(code.b, code.loc, type, value);
  return SIToFPOp::create(code.b, code.loc, type, value);
}

static Value resizeInteger(Code &code, DType from, Type target, Value value) {
  unsigned have = Code::elementOf(value).getIntOrFloatBitWidth(), want = target.getIntOrFloatBitWidth();
  Type type = Code::shapedLike(target, value);
  if (have == want) return value;
  if (have > want) return TruncIOp::create(code.b, code.loc, type, value);
  if (isUnsigned(from)) return ExtUIOp::create(code.b, code.loc, type, value);
  return ExtSIOp::create(code.b, code.loc, type, value);
}

Value emitCast(Code &code, DType from, DType to, Value value) {
  if (from == to) return value;
  Type target = code.computeType(to);
  if (to == DType::Bool) {
    Value zero = code.constant(0, value);
    return isFloat(from) ? code.compare(CmpFPredicate::UNE, value, zero) : code.compare(CmpIPredicate::ne, value, zero);
  }
  if (isFloat(from) && !isFloat(to)) return realToInteger(code, to, value);
  if (!isFloat(from) && isFloat(to)) value = integerToReal(code, from, target, value);
  else if (!isFloat(from)) return resizeInteger(code, from, target, value);
  Type have = Code::elementOf(value);
  if (have != target && target.isF64()) value = ExtFOp::create(code.b, code.loc, Code::shapedLike(target, value), value);
  else if (have != target) value = TruncFOp::create(code.b, code.loc, Code::shapedLike(target, value), value);
  // A cast is where a user asks for the rounding of a half type; elsewhere registers keep float32.
  if (to == DType::BF16 || to == DType::F16) value = code.fromStorage(to, code.toStorage(to, value));
  return value;
}

static CmpFPredicate realPredicate(OpId op) {
  switch (op) {
  case OpId::Eq: return CmpFPredicate::OEQ;
  case OpId::Ne: return CmpFPredicate::UNE;
  case OpId::Lt: return CmpFPredicate::OLT;
  case OpId::Le: return CmpFPredicate::OLE;
  case OpId::Gt: return CmpFPredicate::OGT;
  default: return CmpFPredicate::OGE;
  }
}

static CmpIPredicate integerPredicate(OpId op, bool isUnsigned) {
  switch (op) {
  case OpId::Eq: return CmpIPredicate::eq;
  case OpId::Ne: return CmpIPredicate::ne;
  case OpId::Lt: return isUnsigned ? CmpIPredicate::ult : CmpIPredicate::slt;
  case OpId::Le: return isUnsigned ? CmpIPredicate::ule : CmpIPredicate::sle;
  case OpId::Gt: return isUnsigned ? CmpIPredicate::ugt : CmpIPredicate::sgt;
  default: return isUnsigned ? CmpIPredicate::uge : CmpIPredicate::sge;
  }
}

/// x / y for a y that all lanes share, such as a row's sum: y's inverse is computed once for them all. Both are scaled where
/// the inverse would be denormal or infinite.
static Value emitSharedQuotient(Code &code, Value x, Value y) {
  auto k = [&](double value) { return code.real(value, Code::elementOf(y)); };
  Value size = Polynomials(code).abs(y);
  Value isSmall = code.compare(CmpFPredicate::OLT, size, k(0x1p-64)), isLarge = code.compare(CmpFPredicate::OGT, size, k(0x1p64));
  Value scale = code.select(isSmall, k(0x1p64), code.select(isLarge, k(0x1p-64), k(1)));
  Value inverse = code.fdiv(k(1), code.binary<MulFOp>(y, scale));
  return code.binary<MulFOp>(code.binary<MulFOp>(x, scale), inverse);
}

static Value emitBinary(Code &code, OpId op, DType dtype, Value a, Value b) {
  bool real = isFloat(dtype);
  switch (op) {
  case OpId::Add: return real ? code.fadd(a, b) : code.binary<AddIOp>(a, b);
  case OpId::Sub: return real ? code.fsub(a, b) : code.binary<SubIOp>(a, b);
  case OpId::Mul: return real ? code.fmul(a, b) : code.binary<MulIOp>(a, b);
  case OpId::Maximum: return emitMaximum(code, dtype, a, b);
  case OpId::Minimum: return emitMinimum(code, dtype, a, b);
  case OpId::Div:
    if (real && Code::isVector(a) && !Code::isVector(b) && Code::elementOf(b).isF32()) return emitSharedQuotient(code, a, b);
    if (real) return code.fdiv(a, b);
    return code.refuse("integer division, whose zero divisors are an error"), a;
  case OpId::Pow: return Polynomials(code).pow(a, b);
  case OpId::LogicalAnd: return code.binary<AndIOp>(a, b);
  case OpId::LogicalOr: return code.binary<OrIOp>(a, b);
  case OpId::LogicalXor: return code.binary<XOrIOp>(a, b);
  case OpId::Eq: case OpId::Ne: case OpId::Lt: case OpId::Le: case OpId::Gt: case OpId::Ge:
    return real ? code.compare(realPredicate(op), a, b) : code.compare(integerPredicate(op, isUnsigned(dtype)), a, b);
  default: return {};
  }
}

static Value emitSign(Code &code, DType dtype, Value x) {
  Value zero = code.constant(0, x), one = code.constant(1, x), minus = code.constant(-1, x);
  if (!isFloat(dtype)) {
    Value positive = code.select(code.compare(isUnsigned(dtype) ? CmpIPredicate::ugt : CmpIPredicate::sgt, x, zero), one, zero);
    return isUnsigned(dtype) ? positive : code.select(code.compare(CmpIPredicate::slt, x, zero), minus, positive);
  }
  Value negative = code.select(code.compare(CmpFPredicate::OLT, x, zero), minus, x); // keeps 0 and NaN
  return code.select(code.compare(CmpFPredicate::OGT, x, zero), one, negative);
}

static Value emitIntegerUnary(Code &code, OpId op, DType dtype, Value x) {
  switch (op) {
  case OpId::Abs: return isUnsigned(dtype) ? x : code.binary<MaxSIOp>(x, code.binary<SubIOp>(code.constant(0, x), x));
  case OpId::Neg: return code.binary<SubIOp>(code.constant(0, x), x);
  case OpId::Square: return code.binary<MulIOp>(x, x);
  case OpId::Relu: return emitMaximum(code, dtype, x, code.constant(0, x));
  case OpId::Sign: return emitSign(code, dtype, x);
  case OpId::LogicalNot: return code.binary<XOrIOp>(x, code.integer(1, code.b.getI1Type()));
  default: return {};
  }
}

static Value emitUnary(Code &code, OpId op, DType dtype, Value x) {
  if (!isFloat(dtype)) return emitIntegerUnary(code, op, dtype, x);
  Polynomials math(code);
  Value one = code.constant(1, x);
  switch (op) {
  case OpId::Abs: return math.abs(x);
  case OpId::Neg: return NegFOp::create(code.b, code.loc, x);
  case OpId::Square: return code.fmul(x, x);
  // The compare is false for NaN, which then passes.
  case OpId::Relu: return code.select(code.compare(CmpFPredicate::OLT, x, code.constant(0, x)), code.constant(0, x), x);
  case OpId::Sign: return emitSign(code, dtype, x);
  case OpId::Exp: return math.exp(x);
  case OpId::Log: return math.log(x);
  case OpId::Sqrt: return math.sqrt(x);
  case OpId::Rsqrt: return code.fdiv(one, math.sqrt(x));
  case OpId::Reciprocal: return code.fdiv(one, x);
  case OpId::Tanh: return math.tanh(x);
  case OpId::Erf: return math.erf(x);
  case OpId::Sin: return math.sin(x);
  case OpId::Cos: return math.cos(x);
  case OpId::Sigmoid: return code.fdiv(one, code.fadd(one, math.exp(NegFOp::create(code.b, code.loc, x))));
  default: return {};
  }
}

Value emitElementwise(Code &code, OpId op, DType dtype, DType to, ArrayRef<Value> x) {
  Value result;
  if (op == OpId::Cast) result = emitCast(code, dtype, to, x[0]);
  else if (op == OpId::Select) result = code.select(x[0], x[1], x[2]);
  else if (op == OpId::Clamp) result = emitMinimum(code, dtype, emitMaximum(code, dtype, x[0], x[1]), x[2]);
  else result = x.size() == 2 ? emitBinary(code, op, dtype, x[0], x[1]) : emitUnary(code, op, dtype, x[0]);
  if (result) return result;
  code.refuse(std::string(fin::infoOf(op).name) + " of " + nameOf(dtype) + " has no vector form");
  return x[0];
}

} // namespace tinyfin::cpu
