// SPDX-License-Identifier: Apache-2.0
// Elementwise fin ops on registers, with the meaning of the eager kernels: a NaN operand wins over numbers, integers wrap.
#pragma once
#include "backends/cpu/Code.h"
#include "backends/cpu/KernelSpec.h"

namespace tinyfin::cpu {

/// `dtype` is that of the first operand, `to` that of the result. Refuses on `code` what has no form.
Value emitElementwise(Code &code, OpId op, DType dtype, DType to, ArrayRef<Value> operands);
Value emitCast(Code &code, DType from, DType to, Value value);
Value emitMaximum(Code &code, DType dtype, Value a, Value b);
Value emitMinimum(Code &code, DType dtype, Value a, Value b);

/// Polynomials for f32 and f64, scalars and vectors. No call into libm is ever emitted.
class Polynomials {
public:
  explicit Polynomials(Code &code) : code(code) {}
  Value exp(Value x);
  Value log(Value x);
  Value tanh(Value x);
  Value erf(Value x);
  /// `isModerate`: no x is beyond some millions.
  Value sin(Value x, bool isModerate = false) { return sinOrCos(x, false, isModerate); }
  Value cos(Value x, bool isModerate = false) { return sinOrCos(x, true, isModerate); }
  Value pow(Value x, Value y);
  Value sqrt(Value x);
  Value abs(Value x);

private:
  Value exp32(Value x);
  Value exp64(Value x);
  Value log32(Value x);
  Value log64(Value x);
  Value tanh32(Value x);
  Value tanh64(Value x);
  Value erf32(Value x);
  Value quotient(Value p, Value q);
  Value erf64(Value x);
  Value sinOrCos(Value x, bool cosine, bool isModerate);
  struct Angle {
    Value rest, quadrant; // x is rest + quadrant * pi/2, but for whole turns
  };
  Angle reduceModerate(Value wide);
  Angle reduceLarge(Value wide, bool isSingle);
  Angle reduceAngle(Value wide, bool isSingle);
  /// The nearest integer to x * factor, of moderate size, as a real and as the low bits of an integer of the same width.
  struct Nearest {
    Value real, integer;
  };
  Nearest nearestProduct(Value x, double factor);
  Value k(double value, Value like) { return code.constant(value, like); }
  Value horner(Value x, ArrayRef<double> coefficients); // highest power first
  Value clamp(Value x, double low, double high);        // NaN stays NaN
  Value copySign(Value magnitude, Value sign);
  Value powerOfTwo(Value exponent, Type real); // 2**exponent for exponents of normal numbers
  Value floor(Value x);
  Code &code;
};

} // namespace tinyfin::cpu
