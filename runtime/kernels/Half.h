// SPDX-License-Identifier: Apache-2.0
// bf16 and f16 in memory; arithmetic on them is f32. `load` widens an element, `store` rounds to nearest even.
#pragma once
#include <bit>
#include <cstdint>

namespace tinyfin {

/// The upper half of an f32. An own type, because x86's bf16 conversion instructions flush denormals to zero.
struct BFloat16 {
  uint16_t bits;
};
/// The compiler's type converts with the machine's instructions (F16C, AVX512-FP16) in vector loops.
using Float16 = _Float16;

/// What an element type computes in.
template <class T> struct ComputeType {
  using Type = T;
};
template <> struct ComputeType<BFloat16> {
  using Type = float;
};
template <> struct ComputeType<Float16> {
  using Type = float;
};
template <class T> using Compute = typename ComputeType<T>::Type;

inline float widen(BFloat16 value) { return std::bit_cast<float>(static_cast<uint32_t>(value.bits) << 16); }

inline BFloat16 roundToBFloat16(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1)) >> 16;
  // A NaN would be rounded up into infinity: keep its sign and make it quiet.
  uint32_t quiet = (bits >> 16) | 0x40u;
  return {static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? quiet : rounded)};
}

template <class T> inline Compute<T> load(T value) { return static_cast<Compute<T>>(value); }
template <> inline float load(BFloat16 value) { return widen(value); }

template <class T> inline T store(Compute<T> value) { return static_cast<T>(value); }
template <> inline BFloat16 store(float value) { return roundToBFloat16(value); }

} // namespace tinyfin
