// SPDX-License-Identifier: Apache-2.0
// exp, log and pow on vectors. Argument reduction and coefficients are those of Cephes (Moshier) for float32
// and of FreeBSD's msun for float64. Inf, NaN, denormal results and overflow come out as from libm.
#include "backends/cpu/Elementwise.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include <numbers>

using namespace mlir;
using namespace mlir::arith;

namespace tinyfin::cpu {

static bool isDouble(Value x) { return Code::elementOf(x).isF64(); }

Value Polynomials::horner(Value x, ArrayRef<double> coefficients) {
  Value sum = k(coefficients[0], x);
  for (double coefficient : coefficients.drop_front()) sum = code.fadd(code.fmul(sum, x), k(coefficient, x));
  return sum;
}

Value Polynomials::clamp(Value x, double low, double high) {
  x = code.select(code.compare(CmpFPredicate::OLT, x, k(low, x)), k(low, x), x);
  return code.select(code.compare(CmpFPredicate::OGT, x, k(high, x)), k(high, x), x);
}

Value Polynomials::abs(Value x) { return math::AbsFOp::create(code.b, code.loc, x); }
Value Polynomials::sqrt(Value x) { return math::SqrtOp::create(code.b, code.loc, x); }
Value Polynomials::floor(Value x) { return math::FloorOp::create(code.b, code.loc, x); }
Value Polynomials::copySign(Value magnitude, Value sign) {
  code.unify(magnitude, sign);
  return math::CopySignOp::create(code.b, code.loc, magnitude, sign);
}

Value Polynomials::powerOfTwo(Value exponent, Type real) {
  Type integer = Code::elementOf(exponent);
  bool isWide = integer.isInteger(64);
  Value biased = code.binary<AddIOp>(exponent, code.integer(isWide ? 1023 : 127, integer));
  return code.bitcast(code.binary<ShLIOp>(biased, code.integer(isWide ? 52 : 23, integer)), real);
}

/// Adding 1.5 * 2**(mantissa bits) leaves the integer in the mantissa. No conversion, whose result NaN would poison.
Polynomials::Nearest Polynomials::nearestProduct(Value x, double factor) {
  Type type = Code::elementOf(x);
  double magic = type.isF64() ? 0x1.8p52 : 0x1.8p23;
  Type integer = type.isF64() ? code.b.getI64Type() : code.b.getI32Type();
  // The product and the sum may be one operation; reassociation would undo the rounding.
  Value shifted = code.fadd(code.fmul(x, k(factor, x)), k(magic, x));
  Value real = code.binary<SubFOp>(shifted, k(magic, x));
  Value bits = code.bitcast(shifted, integer);
  return {real, code.binary<SubIOp>(bits, code.bitcast(k(magic, x), integer))};
}

/// y * 2**n for n beyond the exponents of normal numbers: in two factors, so that only the last product rounds.
static Value scale(Code &code, Value y, Value n, llvm::function_ref<Value(Value)> powerOfTwo) {
  Value half = code.binary<ShRSIOp>(n, code.constant(1, n));
  Value rest = code.binary<SubIOp>(n, half);
  return code.binary<MulFOp>(code.binary<MulFOp>(y, powerOfTwo(half)), powerOfTwo(rest));
}

/// AVX-512 has the scaling as one instruction; lanes that are not `wanted` become 0.
static Value scaleByInstruction(Code &code, Value y, Value exponent, Value wanted) {
  Type i16 = code.b.getI16Type();
  Value mask = LLVM::BitcastOp::create(code.b, code.loc, i16, wanted), current = code.integer(4, code.b.getI32Type()); // rounding as the thread's
  Value zero = code.widen(code.constant(0, y));
  return LLVM::CallIntrinsicOp::create(code.b, code.loc, y.getType(),
                                       code.b.getStringAttr("llvm.x86.avx512.mask.scalef.ps.512"),
                                       ValueRange{y, exponent, zero, mask, current})
      .getResult(0);
}

/// Far below 0, as where scores are masked, 0 is chosen: made by scaling, each would be an assist of the processor.
Value Polynomials::exp32(Value x) {
  Value wanted = code.compare(CmpFPredicate::UGE, x, k(-104.0, x));
  x = code.select(code.compare(CmpFPredicate::OGT, x, k(89.0, x)), k(89.0, x), x); // inf, which the scaling makes
  bool byInstruction = code.machine.lanes == 16 && Code::isVector(x);
  if (!byInstruction) x = code.select(wanted, x, k(0, x));
  Nearest n = nearestProduct(x, 1.44269504088896341);
  Value r = code.fsub(x, code.fmul(n.real, k(0.693359375, x)));
  r = code.fsub(r, code.fmul(n.real, k(-2.12194440e-4, x)));
  Value y = horner(r, {1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1, 1, 1});
  if (byInstruction) return scaleByInstruction(code, y, n.real, wanted);
  Type real = Code::elementOf(x);
  return code.select(wanted, scale(code, y, n.integer, [&](Value e) { return powerOfTwo(e, real); }), k(0, x));
}

Value Polynomials::exp64(Value x) {
  x = clamp(x, -746.0, 710.0);
  Nearest n = nearestProduct(x, 1.4426950408889634074);
  Value r = code.fsub(x, code.fmul(n.real, k(6.93147180369123816490e-01, x)));
  r = code.fsub(r, code.fmul(n.real, k(1.90821492927058770002e-10, x)));
  SmallVector<double> taylor(14, 1.0); // 1/13! ... 1/1!, 1: |r| <= ln(2)/2 leaves an error of 4e-18
  for (int i = 12; i >= 0; --i) taylor[i] = taylor[i + 1] / (13 - i);
  Value y = horner(r, taylor);
  Type real = Code::elementOf(x);
  return scale(code, y, n.integer, [&](Value e) { return powerOfTwo(e, real); });
}

namespace {
/// x = m * 2**e with m in [sqrt(1/2), sqrt(2)), for positive finite x; denormals are scaled up first.
struct Split {
  Value mantissa, exponent;
};
Split split(Code &code, Value x) {
  bool wide = isDouble(x);
  Type real = Code::elementOf(x), integer = wide ? code.b.getI64Type() : code.b.getI32Type();
  int mantissaBits = wide ? 52 : 23, bias = wide ? 1023 : 127;
  Value tiny = code.compare(CmpFPredicate::OLT, x, code.constant(wide ? 0x1p-1022 : 0x1p-126, x));
  x = code.select(tiny, code.binary<MulFOp>(x, code.constant(wide ? 0x1p54 : 0x1p25, x)), x);
  // Adding the distance from sqrt(1/2) to 1 carries into the exponent exactly where the mantissa is above sqrt(2).
  Value root = code.bitcast(code.real(std::numbers::sqrt2 / 2, real), integer);
  Value one = code.bitcast(code.real(1.0, real), integer);
  Value bits = code.binary<AddIOp>(code.bitcast(x, integer), code.binary<SubIOp>(one, root));
  Value e = code.binary<SubIOp>(code.binary<ShRUIOp>(bits, code.integer(mantissaBits, integer)), code.integer(bias, integer));
  Value fraction = code.binary<AndIOp>(bits, code.integer((int64_t(1) << mantissaBits) - 1, integer));
  Value mantissa = code.bitcast(code.binary<AddIOp>(fraction, root), real);
  Value exponent = SIToFPOp::create(code.b, code.loc, Code::shapedLike(real, e), e);
  Value scaled = code.select(tiny, code.constant(wide ? 54 : 25, x), code.constant(0, x));
  return {mantissa, code.binary<SubFOp>(exponent, scaled)};
}
} // namespace

/// log of 0 is -inf, of negative numbers and NaN NaN, of inf inf.
static Value logSpecials(Code &code, Value x, Value result) {
  double infinity = std::numeric_limits<double>::infinity();
  Value zero = code.constant(0, x);
  result = code.select(code.compare(CmpFPredicate::OEQ, x, code.constant(infinity, x)), x, result);
  result = code.select(code.compare(CmpFPredicate::OEQ, x, zero), code.constant(-infinity, x), result);
  Value nan = code.constant(std::numeric_limits<double>::quiet_NaN(), x);
  return code.select(code.compare(CmpFPredicate::UGE, x, zero), code.select(code.compare(CmpFPredicate::UNO, x, x), nan, result), nan);
}

Value Polynomials::log32(Value x) {
  Split parts = split(code, x);
  Value f = code.binary<SubFOp>(parts.mantissa, k(1, x)), z = code.fmul(f, f);
  Value p = horner(f, {7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
                       -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1});
  Value y = code.fmul(code.fmul(p, f), z);
  y = code.fadd(y, code.fmul(parts.exponent, k(-2.12194440e-4, x)));
  y = code.fsub(y, code.fmul(z, k(0.5, x)));
  Value sum = code.fadd(code.fadd(f, y), code.fmul(parts.exponent, k(0.693359375, x)));
  return logSpecials(code, x, sum);
}

Value Polynomials::log64(Value x) {
  Split parts = split(code, x);
  Value f = code.binary<SubFOp>(parts.mantissa, k(1, x));
  Value s = code.fdiv(f, code.fadd(f, k(2, x))), z = code.fmul(s, s);
  Value r = code.fmul(z, horner(z, {1.479819860511658591e-01, 1.531383769920937332e-01, 1.818357216161805012e-01,
                                    2.222219843214978396e-01, 2.857142874366239149e-01, 3.999999999940941908e-01,
                                    6.666666666666735130e-01}));
  Value half = code.fmul(code.fmul(f, f), k(0.5, x));
  Value low = code.fadd(code.fmul(s, code.fadd(half, r)), code.fmul(parts.exponent, k(1.90821492927058770002e-10, x)));
  Value rest = code.fsub(code.fsub(half, low), f);
  return logSpecials(code, x, code.fsub(code.fmul(parts.exponent, k(6.93147180369123816490e-01, x)), rest));
}

Value Polynomials::pow(Value x, Value y) {
  code.unify(x, y);
  Type type = Code::elementOf(x), f64 = code.b.getF64Type();
  Value wideX = x, wideY = y;
  if (type.isF32()) { // in float64, so that the logarithm's error is not magnified into float32
    wideX = ExtFOp::create(code.b, code.loc, Code::shapedLike(f64, x), x);
    wideY = ExtFOp::create(code.b, code.loc, Code::shapedLike(f64, y), y);
  }
  Value zero = k(0, wideX), one = k(1, wideX), magnitude = abs(wideX);
  Value result = exp64(code.binary<MulFOp>(wideY, log64(magnitude)));
  Value halfY = code.binary<MulFOp>(wideY, k(0.5, wideX));
  Value isWhole = code.compare(CmpFPredicate::OEQ, floor(wideY), wideY);
  Value isOdd = code.conjunction(isWhole, code.compare(CmpFPredicate::ONE, floor(halfY), halfY));
  // The sign bit, not x < 0: an odd power of -0 is -0, and of -inf it is -inf.
  Value flipped = code.select(isOdd, copySign(result, wideX), result);
  Value isNegative = code.compare(CmpFPredicate::OLT, wideX, zero);
  Value isFinite = code.compare(CmpFPredicate::ONE, magnitude, k(std::numeric_limits<double>::infinity(), wideX));
  Value isFiniteY = code.compare(CmpFPredicate::ONE, abs(wideY), k(std::numeric_limits<double>::infinity(), wideX));
  Value badBase = code.conjunction(code.conjunction(isNegative, code.conjunction(isFinite, isFiniteY)),
                                   code.compare(CmpFPredicate::ONE, floor(wideY), wideY));
  result = code.select(badBase, k(std::numeric_limits<double>::quiet_NaN(), wideX), flipped);
  Value minusOneToInf = code.conjunction(code.compare(CmpFPredicate::OEQ, magnitude, one),
                                         code.compare(CmpFPredicate::OEQ, abs(wideY), k(std::numeric_limits<double>::infinity(), wideX)));
  result = code.select(minusOneToInf, one, result);
  result = code.select(code.compare(CmpFPredicate::OEQ, wideX, one), one, result);
  result = code.select(code.compare(CmpFPredicate::OEQ, wideY, zero), one, result);
  if (!type.isF32()) return result;
  return TruncFOp::create(code.b, code.loc, Code::shapedLike(type, result), result);
}

Value Polynomials::exp(Value x) { return isDouble(x) ? exp64(x) : exp32(x); }
Value Polynomials::log(Value x) { return isDouble(x) ? log64(x) : log32(x); }
Value Polynomials::tanh(Value x) { return isDouble(x) ? tanh64(x) : tanh32(x); }
Value Polynomials::erf(Value x) { return isDouble(x) ? erf64(x) : erf32(x); }

} // namespace tinyfin::cpu
