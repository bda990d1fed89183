// SPDX-License-Identifier: Apache-2.0
// tanh and erf on vectors, as quotients of polynomials: Eigen's coefficients for float32, Cephes and msun for float64.
#include "backends/cpu/Elementwise.h"
#include <numbers>

using namespace mlir;
using namespace mlir::arith;

namespace tinyfin::cpu {

/// p / q for q that is neither 0, denormal nor infinite: an estimate of 14 bits, one step of Newton's, and the remainder.
/// A vector's division takes as long as a dozen products.
Value Polynomials::quotient(Value p, Value q) {
  if (code.machine.lanes != 16 || !Code::isVector(q)) return code.fdiv(p, q);
  auto call = LLVM::CallIntrinsicOp::create(code.b, code.loc, q.getType(), code.b.getStringAttr("llvm.x86.avx512.rcp14.ps.512"),
                                            ValueRange{q, q, code.integer(-1, code.b.getI16Type())});
  Value r = call.getResult(0);
  r = code.fmul(r, code.fsub(k(2, q), code.fmul(q, r)));
  Value near = code.fmul(p, r);
  return code.fadd(near, code.fmul(r, code.fsub(p, code.fmul(q, near))));
}

Value Polynomials::tanh32(Value x) {
  Value c = clamp(x, -7.90531110763549805, 7.90531110763549805), z = code.fmul(c, c);
  Value p = horner(z, {-2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-08,
                       1.48572235717979e-05, 6.37261928875436e-04, 4.89352455891786e-03});
  Value q = horner(z, {1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03});
  Value small = code.compare(CmpFPredicate::OLT, abs(x), k(0.0004, x));
  // The quotient stays two steps below 1: gelu would keep that share of any number below zero.
  Value far = code.compare(CmpFPredicate::OGT, abs(x), k(8.4, x));
  Value near = code.select(small, x, quotient(code.fmul(c, p), q));
  return code.select(far, copySign(k(1, x), x), near);
}

Value Polynomials::tanh64(Value x) {
  Value z = code.fmul(x, x);
  Value p = horner(z, {-9.64399179425052238628e-1, -9.92877231001918586564e1, -1.61468768441708447952e3});
  Value q = horner(z, {1.0, 1.12811678491632931402e2, 2.23548839060100448583e3, 4.84406305325125486048e3});
  Value near = code.fadd(x, code.fmul(code.fmul(x, z), code.fdiv(p, q)));
  Value e = exp64(code.binary<MulFOp>(abs(x), k(2, x)));
  Value far = code.fsub(k(1, x), code.fdiv(k(2, x), code.fadd(e, k(1, x))));
  return code.select(code.compare(CmpFPredicate::OLT, abs(x), k(0.625, x)), near, copySign(far, x));
}

Value Polynomials::erf32(Value x) {
  Value c = clamp(x, -4.0, 4.0), z = code.fmul(c, c);
  Value p = horner(z, {-2.72614225801306e-10, 2.77068142495902e-08, -2.10102402082508e-06, -5.69250639462346e-05,
                       -7.34990630326855e-04, -2.95459980854025e-03, -1.60960333262415e-02});
  Value q = horner(z, {-1.45660718464996e-05, -2.13374055278905e-04, -1.68282697438203e-03, -7.37332916720468e-03,
                       -1.42647390514189e-02});
  // The products of denormals would lose digits; here x^3 / 3 is beyond float32's.
  Value small = code.compare(CmpFPredicate::OLT, abs(x), k(1e-4, x));
  return code.select(small, code.fmul(x, k(2 * std::numbers::inv_sqrtpi, x)), quotient(code.fmul(c, p), q));
}

Value Polynomials::erf64(Value x) {
  Value a = abs(x), z = code.fmul(x, x), one = k(1, x);
  // |x| < 0.84375
  Value p0 = horner(z, {-2.37630166566501626084e-05, -5.77027029648944159157e-03, -2.84817495755985104766e-02,
                        -3.25042107247001499370e-01, 1.28379167095512558561e-01});
  Value q0 = horner(z, {-3.96022827877536812320e-06, 1.32494738004321644526e-04, 5.08130628187576562776e-03,
                        6.50222499887672944485e-02, 3.97917223959155352819e-01, 1.0});
  Value near = code.fadd(x, code.fmul(x, code.fdiv(p0, q0)));
  // |x| < 1.25
  Value s = code.fsub(a, one);
  Value p1 = horner(s, {-2.16637559486879084300e-03, 3.54783043256182359371e-02, -1.10894694282396677476e-01,
                        3.18346619901161753674e-01, -3.72207876035701323847e-01, 4.14856118683748331666e-01,
                        -2.36211856075265944077e-03});
  Value q1 = horner(s, {1.19844998467991074170e-02, 1.36370839120290507362e-02, 1.26171219808761642112e-01,
                        7.18286544141962662868e-02, 5.40397917702171048937e-01, 1.06420880400844228286e-01, 1.0});
  Value middle = code.fadd(k(8.45062911510467529297e-01, x), code.fdiv(p1, q1));
  // above: 1 - exp(-x^2 - 0.5625 + R/S) / |x|, two quotients that meet at 1/0.35
  Value far = clamp(a, 0.5, 6.0), u = code.fdiv(one, code.fmul(far, far));
  Value r2 = horner(u, {-9.81432934416914548592e+00, -8.12874355063065934246e+01, -1.84605092906711035994e+02,
                        -1.62396669462573470355e+02, -6.23753324503260060396e+01, -1.05586262253232909814e+01,
                        -6.93858572707181764372e-01, -9.86494403484714822705e-03});
  Value s2 = horner(u, {-6.04244152148580987438e-02, 6.57024977031928170135e+00, 1.08635005541779435134e+02,
                        4.29008140027567833386e+02, 6.45387271733267880336e+02, 4.34565877475229228821e+02,
                        1.37657754143519042600e+02, 1.96512716674392571292e+01, 1.0});
  Value r3 = horner(u, {-4.83519191608651397019e+02, -1.02509513161107724954e+03, -6.37566443368389627722e+02,
                        -1.60636384855821916062e+02, -1.77579549177547519889e+01, -7.99283237680523006574e-01,
                        -9.86494292470009928597e-03});
  Value s3 = horner(u, {-2.24409524465858183362e+01, 4.74528541206955367215e+02, 2.55305040643316442583e+03,
                        3.19985821950859553908e+03, 1.53672958608443695994e+03, 3.25792512996573918826e+02,
                        3.03380607434824582924e+01, 1.0});
  Value isMiddle = code.compare(CmpFPredicate::OLT, far, k(1 / 0.35, x));
  Value quotient = code.fdiv(code.select(isMiddle, r2, r3), code.select(isMiddle, s2, s3));
  Value exponent = code.fadd(code.fsub(k(-0.5625, x), code.fmul(far, far)), quotient);
  Value tail = code.fsub(one, code.fdiv(exp64(exponent), far));
  Value result = code.select(code.compare(CmpFPredicate::OLT, a, k(1.25, x)), copySign(middle, x), copySign(tail, x));
  result = code.select(code.compare(CmpFPredicate::OLT, a, k(0.84375, x)), near, result);
  return code.select(code.compare(CmpFPredicate::UNO, x, x), x, result);
}

} // namespace tinyfin::cpu
