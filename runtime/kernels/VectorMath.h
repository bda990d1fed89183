// SPDX-License-Identifier: Apache-2.0
// Elementary functions without branches or calls, so that loops over them vectorize. f32: within 2 ulp (pow 1, erf 2,
// sigmoid 3) of the true value; Inf, NaN, signed zeros and denormals as in C. f64 falls to the C library.
// Every function is static: translation units are compiled for different machines and must not share code.
// And they are always inlined: a call left in a loop keeps the loop scalar.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace tinyfin::vectormath {

inline constexpr float kInfinity = std::numeric_limits<float>::infinity();
inline constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
/// sin and cos below are for |x| up to this; beyond it (and for Inf, NaN) callers use the C library.
inline constexpr float kMaxAngle = 1048576.0f;

[[gnu::always_inline]] static inline float fromBits(uint32_t bits) { return std::bit_cast<float>(bits); }
[[gnu::always_inline]] static inline uint32_t toBits(float value) { return std::bit_cast<uint32_t>(value); }

/// exp(x) = 2**exponent * fraction, with x = exponent * ln(2) + r and |r| <= ln(2) / 2; coefficients of Cephes' expf.
struct ScaledExp {
  float fraction;
  int32_t exponent;
};
[[gnu::always_inline]] static inline ScaledExp scaledExp(float x) {
  constexpr float shifter = 12582912.0f; // 1.5 * 2**23: adding it rounds to an integer
  float shifted = x * 1.44269504088896341f + shifter;
  float n = shifted - shifter;
  float r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r;
  return {p + 1.0f, static_cast<int32_t>(toBits(shifted) - toBits(shifter))};
}

/// The scale is applied in two halves, so that denormal results round once and overflow becomes infinity.
[[gnu::always_inline]] static inline float exp(float x) {
  // Masked scores (-1e9, -inf) are common, and a product that underflows costs a hundred cycles: 0 is selected instead.
  bool vanishes = x < -103.972084f; // 150 * ln(2): half of the smallest denormal
  float bounded = vanishes ? 0.0f : x;
  bounded = bounded > 89.0f ? 89.0f : bounded;
  auto [fraction, exponent] = scaledExp(bounded);
  int32_t half = exponent >> 1;
  uint32_t rest = static_cast<uint32_t>(exponent) - static_cast<uint32_t>(half);
  float result = fraction * fromBits((static_cast<uint32_t>(half) + 127u) << 23) * fromBits((rest + 127u) << 23);
  return vanishes ? 0.0f : result;
}

/// exp where the result is a normal number: |x| <= 87, or NaN.
[[gnu::always_inline]] static inline float moderateExp(float x) {
  auto [fraction, exponent] = scaledExp(x);
  return fraction * fromBits((static_cast<uint32_t>(exponent) + 127u) << 23);
}

/// e * ln(2) + log(m) with m in [sqrt(1/2), sqrt(2)); coefficients of Cephes' logf.
[[gnu::always_inline]] static inline float log(float x) {
  bool tiny = x < std::numeric_limits<float>::min();
  uint32_t bits = toBits(tiny ? x * 8388608.0f : x);
  int32_t exponent = static_cast<int32_t>(bits - 0x3f3504f3u) >> 23;
  float f = fromBits(bits - (static_cast<uint32_t>(exponent) << 23)) - 1.0f;
  float e = static_cast<float>(exponent) - (tiny ? 23.0f : 0.0f);
  float z = f * f;
  float p = 7.0376836292e-2f;
  p = p * f - 1.1514610310e-1f;
  p = p * f + 1.1676998740e-1f;
  p = p * f - 1.2420140846e-1f;
  p = p * f + 1.4249322787e-1f;
  p = p * f - 1.6668057665e-1f;
  p = p * f + 2.0000714765e-1f;
  p = p * f - 2.4999993993e-1f;
  p = p * f + 3.3333331174e-1f;
  p = p * f * z;
  p = p + e * -2.12194440e-4f;
  p = p - 0.5f * z;
  float finite = (f + p) + e * 0.693359375f;
  float special = x == 0.0f ? -kInfinity : (x == kInfinity ? kInfinity : kNaN);
  return ((x > 0.0f) & (x < kInfinity)) ? finite : special;
}

/// Odd polynomial near zero, 1 - 2 / (exp(2|x|) + 1) elsewhere; coefficients of Cephes' tanhf.
[[gnu::always_inline]] static inline float tanh(float x) {
  float z = x * x;
  float p = -5.70498872745e-3f;
  p = p * z + 2.06390887954e-2f;
  p = p * z - 5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z - 3.33332819422e-1f;
  float near = p * z * x + x;
  float magnitude = std::fabs(x);
  float bounded = magnitude > 10.0f ? 10.0f : magnitude; // past 9.02 the result is 1
  float far = 1.0f - 2.0f / (moderateExp(2.0f * bounded) + 1.0f);
  return std::copysign(magnitude < 0.625f ? near : far, x); // the sign also of -0
}

[[gnu::always_inline]] static inline float sigmoid(float x) { return 1.0f / (1.0f + exp(-x)); }

/// Minimax polynomials: odd in x near zero, 1 - exp(polynomial in |x|) elsewhere (N. Juffa's erff).
[[gnu::always_inline]] static inline float erf(float x) {
  float t = std::fabs(x);
  float s = x * x;
  float q = -1.72853470e-5f * t + 3.83197126e-4f;
  float u = -3.88396438e-3f * t + 2.42546219e-2f;
  q = q * s + u;
  q = q * t - 1.06777877e-1f;
  q = q * t - 6.34846687e-1f;
  q = q * t - 1.28717512e-1f;
  q = q * t - t;
  // Past 4 the result is 1 in f32, and the polynomial turns around.
  float far = std::copysign(1.0f - moderateExp(t > 4.0f ? -20.0f : q), x);
  float p = -5.96761703e-4f;
  p = p * s + 4.99119423e-3f;
  p = p * s - 2.67681349e-2f;
  p = p * s + 1.12819925e-1f;
  p = p * s - 3.76125336e-1f;
  p = p * s + 1.28379166e-1f;
  float near = p * x + x;
  return t > 0.927734375f ? far : near;
}

/// x = n * pi/2 + r; the argument is reduced in f64, where n * (the upper 33 bits of pi/2) is exact.
struct ReducedAngle {
  float r;
  uint32_t quadrant;
};
[[gnu::always_inline]] static inline ReducedAngle reduceAngle(float x) {
  constexpr double shifter = 6755399441055744.0; // 1.5 * 2**52
  double wide = x;
  double shifted = wide * 0.63661977236758134308 + shifter;
  double n = shifted - shifter;
  double r = (wide - n * 1.57079632673412561417e+00) - n * 6.07710050650619224932e-11;
  return {static_cast<float>(r), static_cast<uint32_t>(std::bit_cast<uint64_t>(shifted))};
}

[[gnu::always_inline]] static inline float sinOfQuadrant(float r, uint32_t quadrant) {
  float z = r * r;
  float s = -1.9515295891e-4f;
  s = s * z + 8.3321608736e-3f;
  s = s * z - 1.6666654611e-1f;
  s = std::copysign(s * (z * r) + r, r); // the sign also of -0
  float c = 2.443315711809948e-5f;
  c = c * z - 1.388731625493765e-3f;
  c = c * z + 4.166664568298827e-2f;
  c = c * (z * z) - 0.5f * z + 1.0f;
  float value = (quadrant & 1) ? c : s;
  return fromBits(toBits(value) ^ ((quadrant & 2) << 30));
}

[[gnu::always_inline]] static inline float sin(float x) {
  ReducedAngle angle = reduceAngle(x);
  return sinOfQuadrant(angle.r, angle.quadrant);
}
[[gnu::always_inline]] static inline float cos(float x) {
  ReducedAngle angle = reduceAngle(x);
  return sinOfQuadrant(angle.r, angle.quadrant + 1);
}

/// Natural logarithm of a nonnegative f32, in f64 to 45 bits: the atanh series in (m - 1) / (m + 1).
[[gnu::always_inline]] static inline double wideLog(float magnitude) {
  uint64_t bits = std::bit_cast<uint64_t>(static_cast<double>(magnitude));
  int64_t exponent = static_cast<int64_t>(bits - 0x3fe6a09e667f3bcdull) >> 52;
  double m = std::bit_cast<double>(bits - (static_cast<uint64_t>(exponent) << 52));
  double s = (m - 1.0) / (m + 1.0);
  double z = s * s;
  double p = 1.0 / 15;
  p = p * z + 1.0 / 13;
  p = p * z + 1.0 / 11;
  p = p * z + 1.0 / 9;
  p = p * z + 1.0 / 7;
  p = p * z + 1.0 / 5;
  p = p * z + 1.0 / 3;
  p = p * z + 1.0;
  double finite = static_cast<double>(exponent) * 0.69314718055994530942 + 2.0 * s * p;
  constexpr double infinity = std::numeric_limits<double>::infinity();
  double special = magnitude == 0.0f ? -infinity : static_cast<double>(magnitude);
  return ((magnitude > 0.0f) & (magnitude < kInfinity)) ? finite : special;
}

/// exp in f64 to 32 bits, for arguments whose result is rounded to f32.
[[gnu::always_inline]] static inline double wideExp(double x) {
  constexpr double shifter = 6755399441055744.0;
  double bounded = x < -110.0 ? -110.0 : x;
  bounded = bounded > 90.0 ? 90.0 : bounded;
  double shifted = bounded * 1.44269504088896340736 + shifter;
  double n = shifted - shifter;
  double r = bounded - n * 0.69314718055994530942;
  double p = 1.0 / 40320;
  p = p * r + 1.0 / 5040;
  p = p * r + 1.0 / 720;
  p = p * r + 1.0 / 120;
  p = p * r + 1.0 / 24;
  p = p * r + 1.0 / 6;
  p = p * r + 0.5;
  p = p * r + 1.0;
  p = p * r + 1.0;
  uint64_t exponent = std::bit_cast<uint64_t>(shifted) - std::bit_cast<uint64_t>(shifter);
  return p * std::bit_cast<double>((exponent + 1023u) << 52);
}

/// exp(y * log|x|) in f64, with C's rules for zeros, infinities, NaN and negative bases.
[[gnu::always_inline]] static inline float pow(float x, float y) {
  float base = std::fabs(x);
  float magnitude = static_cast<float>(wideExp(static_cast<double>(y) * wideLog(base)));
  magnitude = ((y == 0.0f) | (base == 1.0f)) ? 1.0f : magnitude;
  float halfY = 0.5f * y;
  bool whole = std::floor(y) == y;
  bool odd = whole & (std::floor(halfY) != halfY);
  float sign = odd ? fromBits((toBits(x) & 0x80000000u) | 0x3f800000u) : 1.0f;
  bool undefined = (x < 0.0f) & !whole & (x != -kInfinity);
  bool nanOne = (x == 1.0f) | (y == 0.0f);
  float value = undefined ? kNaN : magnitude * sign;
  return (!nanOne & ((x != x) | (y != y))) ? kNaN : value;
}

[[gnu::always_inline]] static inline double exp(double x) { return std::exp(x); }
[[gnu::always_inline]] static inline double log(double x) { return std::log(x); }
[[gnu::always_inline]] static inline double tanh(double x) { return std::tanh(x); }
[[gnu::always_inline]] static inline double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }
[[gnu::always_inline]] static inline double erf(double x) { return std::erf(x); }
[[gnu::always_inline]] static inline double sin(double x) { return std::sin(x); }
[[gnu::always_inline]] static inline double cos(double x) { return std::cos(x); }
[[gnu::always_inline]] static inline double pow(double x, double y) { return std::pow(x, y); }

} // namespace tinyfin::vectormath
