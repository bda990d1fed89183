// SPDX-License-Identifier: Apache-2.0
// sin and cos on vectors: x less the nearest multiple of pi/2, and a polynomial of what is left. Coefficients are those
// of Cephes for float32 and of msun for float64.
#include "backends/cpu/Elementwise.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include <numbers>

using namespace mlir;
using namespace mlir::arith;

namespace tinyfin::cpu {

/// 1 / (2 pi) in pieces of 26 bits, the k-th times 2**(-26 (k + 1)): enough for float64's largest number.
static constexpr uint32_t kTurnBits[] = {
    0x0a2f983, 0x1b93910, 0x1529fc2, 0x1d5f47d, 0x134ddc0, 0x36d8a56, 0x193c439, 0x0107f94, 0x163abde, 0x2ef1586, 0x37246e3,
    0x2909374, 0x2e00649, 0x0bba827, 0x11921cf, 0x3877ac7, 0x0b129a7, 0x0fba208, 0x35f52eb, 0x2d1213a, 0x19c7026, 0x2d17df9,
    0x013991d, 0x18e60d4, 0x339f49c, 0x2117e2e, 0x3df9283, 0x2c7fe25, 0x3ffde05, 0x2603fbc, 0x2f118b5, 0x2829b47, 0x36d367e,
    0x33c9f2c, 0x09b74f4, 0x18fd9a7, 0x25fea2d, 0x1d49eeb, 0x07ebe5f, 0x05ecf41, 0x339f78a, 0x14a4ba9, 0x2bfb5fb, 0x047e357};
static constexpr int kScale = 512; // the last pieces times 2**kScale are normal numbers, x times 2**-kScale does not overflow

/// x by pi/2 in three parts (Cody and Waite): products with the first two are exact, or one operation with what they are
/// taken from.
Polynomials::Angle Polynomials::reduceModerate(Value wide) {
  auto [turns, quadrant] = nearestProduct(wide, 2 / std::numbers::pi);
  Value r = code.fsub(wide, code.fmul(turns, k(1.57079632673412561417e+00, wide)));
  r = code.fsub(r, code.fmul(turns, k(6.07710050630396597660e-11, wide)));
  return {code.fsub(r, code.fmul(turns, k(2.02226624879595063154e-21, wide))), quadrant};
}

/// Any x (Payne and Hanek's idea): products with pieces of 1 / (2 pi) are exact in float64, and whole turns in each are
/// dropped before they are summed. `isSingle`: x has the bits of a float32.
Polynomials::Angle Polynomials::reduceLarge(Value wide, bool isSingle) {
  Type f64 = code.b.getF64Type(), i64 = code.b.getI64Type();
  Value scaled = code.fmul(wide, k(std::ldexp(1.0, -kScale), wide)), high = scaled, low;
  if (!isSingle) { // 53 bits by 26 are too many
    Value mask = code.integer(-(int64_t(1) << 27), i64);
    high = code.bitcast(code.binary<AndIOp>(code.bitcast(scaled, i64), mask), f64);
    low = code.binary<SubFOp>(scaled, high);
  }
  SmallVector<double> pieces;
  for (size_t i = 0; i < (isSingle ? 9 : std::size(kTurnBits)); ++i)
    pieces.push_back(std::ldexp(kTurnBits[i], kScale - 26 * static_cast<int>(i + 1)));
  int64_t count = static_cast<int64_t>(pieces.size());
  Value table = ConstantOp::create(code.b, code.loc, DenseElementsAttr::get(VectorType::get({count}, f64), ArrayRef<double>(pieces)));
  Value zero = Code::isVector(wide) ? code.widen(k(0, wide)) : k(0, wide);
  auto sum = code.loop(code.i64(0), code.i64(count), code.i64(1), {zero}, [&](Value i, ValueRange carried) -> SmallVector<Value> {
    Value piece = LLVM::ExtractElementOp::create(code.b, code.loc, table, i), total = carried[0];
    for (Value part : {high, low}) {
      if (!part) continue;
      Value turns = code.binary<MulFOp>(part, piece);
      total = code.binary<AddFOp>(total, code.binary<SubFOp>(turns, floor(code.binary<AddFOp>(turns, k(0.5, turns)))));
    }
    return {total};
  });
  auto [quarters, quadrant] = nearestProduct(sum[0], 4);
  Value rest = code.binary<SubFOp>(code.binary<MulFOp>(sum[0], k(4, wide)), quarters);
  return {code.binary<MulFOp>(rest, k(std::numbers::pi / 2, wide)), quadrant};
}

/// In float64 also for float32. Without fused multiply-adds only products with some 20 bits are exact.
Polynomials::Angle Polynomials::reduceAngle(Value wide, bool isSingle) {
  Value far = code.compare(CmpFPredicate::OGT, abs(wide), k(code.machine.hasFma ? 1e12 : 1e6, wide));
  Value anyFar = Code::isVector(far) ? code.acrossLanes(vector::CombiningKind::OR, far) : far;
  auto both = [](Angle angle) -> SmallVector<Value> { return {angle.rest, angle.quadrant}; };
  Type integer = Code::shapedLike(code.b.getI64Type(), wide);
  auto found = code.branch(anyFar, {wide.getType(), integer}, [&] { return both(reduceLarge(wide, isSingle)); },
                           [&] { return both(reduceModerate(wide)); });
  return {found[0], found[1]};
}

Value Polynomials::sinOrCos(Value x, bool cosine, bool isModerate) {
  Type type = Code::elementOf(x), f64 = code.b.getF64Type();
  bool isSingle = type.isF32();
  Value wide = isSingle ? Value(ExtFOp::create(code.b, code.loc, Code::shapedLike(f64, x), x)) : x;
  auto [r, quadrant] = isModerate ? reduceModerate(wide) : reduceAngle(wide, isSingle);
  if (isSingle) {
    r = TruncFOp::create(code.b, code.loc, Code::shapedLike(type, r), r);
    quadrant = TruncIOp::create(code.b, code.loc, Code::shapedLike(code.b.getI32Type(), quadrant), quadrant);
  }
  Value z = code.fmul(r, r);
  Value s = isSingle ? horner(z, {-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1})
                     : horner(z, {1.58969099521155010221e-10, -2.50507602534068634195e-08, 2.75573137070700676789e-06,
                                  -1.98412698298579493134e-04, 8.33333333332248946124e-03, -1.66666666666666324348e-01});
  s = code.fadd(code.fmul(code.fmul(s, z), r), r);
  Value c = isSingle ? horner(z, {2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2})
                     : horner(z, {-1.13596475577881948265e-11, 2.08757232129817482790e-09, -2.75573143513906633035e-07,
                                  2.48015872894767294178e-05, -1.38888888888741095749e-03, 4.16666666666666019037e-02});
  c = code.fadd(code.fsub(code.fmul(code.fmul(c, z), z), code.fmul(z, k(0.5, z))), k(1, z));
  Type integer = Code::elementOf(quadrant);
  if (cosine) quadrant = code.binary<AddIOp>(quadrant, code.integer(1, integer));
  Value odd = code.compare(CmpIPredicate::ne, code.binary<AndIOp>(quadrant, code.integer(1, integer)), code.integer(0, integer));
  Value negative = code.compare(CmpIPredicate::ne, code.binary<AndIOp>(quadrant, code.integer(2, integer)), code.integer(0, integer));
  Value result = code.select(odd, c, s);
  return code.select(negative, NegFOp::create(code.b, code.loc, result), result);
}

} // namespace tinyfin::cpu
