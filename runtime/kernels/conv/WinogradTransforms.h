// SPDX-License-Identifier: Apache-2.0
// The transforms of Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray, arXiv:1509.09308). With d 6x6 of the input,
// g the 3x3 kernel and y 4x4 of the output:
//   y = A^T [ (G g G^T) * (B^T d B) ] A         dg = G^T [ (B^T d B) * (A dy A^T) ] G
// Polynomials are evaluated at 0, a, -a, b, -b and infinity. With a = 3/4 and b = 3/2 the error is a quarter of that with
// the usual 1 and 2 (their powers spread further), and little more than that of direct sums. A value is a vector of channels.
#pragma once
#include "runtime/kernels/matmul/MatmulTile.h"

#if defined(__AVX512F__)
#define TINYFIN_WINOGRAD_INLINE __attribute__((min_vector_width(512), always_inline)) inline
#else
#define TINYFIN_WINOGRAD_INLINE inline
#endif

namespace tinyfin::winograd {

inline constexpr int kOut = 4, kIn = 6, kKernel = 3, kPoints = kIn * kIn;
using V = gemm::Vector<float>;
inline constexpr int64_t kLanes = gemm::kLanes<float>;

inline constexpr float kA = 0.75f, kB = 1.5f, kA2 = kA * kA, kB2 = kB * kB;
inline constexpr float kNorm0 = 1 / (kA2 * kB2), kNormA = 1 / (2 * kA2 * (kA2 - kB2)), kNormB = 1 / (2 * kB2 * (kB2 - kA2));

/// B^T: 6 to 6. Element i of the result goes to t[i * step], here and below.
struct Input {
  static constexpr int from = kIn, to = kIn;
  TINYFIN_WINOGRAD_INLINE static void apply(const V *d, V *t, int step) {
    V a = d[4] - kB2 * d[2], b = kA * (d[3] - kB2 * d[1]), c = d[4] - kA2 * d[2], e = kB * (d[3] - kA2 * d[1]);
    t[0] = (kA2 * kB2) * d[0] - (kA2 + kB2) * d[2] + d[4];
    t[step] = a + b, t[2 * step] = a - b, t[3 * step] = c + e, t[4 * step] = c - e;
    t[5 * step] = (kA2 * kB2) * d[1] - (kA2 + kB2) * d[3] + d[5];
  }
};

/// A: 4 to 6.
struct Gradient {
  static constexpr int from = kOut, to = kIn;
  TINYFIN_WINOGRAD_INLINE static void apply(const V *y, V *z, int step) {
    V e = y[0] + kA2 * y[2], o = kA * (y[1] + kA2 * y[3]), e2 = y[0] + kB2 * y[2], o2 = kB * (y[1] + kB2 * y[3]);
    z[0] = y[0], z[step] = e + o, z[2 * step] = e - o, z[3 * step] = e2 + o2, z[4 * step] = e2 - o2, z[5 * step] = y[3];
  }
};

/// A^T: 6 to 4.
struct Output {
  static constexpr int from = kIn, to = kOut;
  TINYFIN_WINOGRAD_INLINE static void apply(const V *m, V *y, int step) {
    V s1 = m[1] + m[2], s2 = kA * (m[1] - m[2]), s3 = m[3] + m[4], s4 = kB * (m[3] - m[4]);
    y[0] = m[0] + s1 + s3, y[step] = s2 + s4, y[2 * step] = kA2 * s1 + kB2 * s3, y[3 * step] = kA2 * s2 + kB2 * s4 + m[5];
  }
};

/// G: 3 to 6.
struct Kernel {
  static constexpr int from = kKernel, to = kIn;
  TINYFIN_WINOGRAD_INLINE static void apply(const V *g, V *u, int step) {
    V s = kNormA * (g[0] + kA2 * g[2]), o = (kNormA * kA) * g[1], q = kNormB * (g[0] + kB2 * g[2]), r = (kNormB * kB) * g[1];
    u[0] = kNorm0 * g[0], u[step] = s + o, u[2 * step] = s - o, u[3 * step] = q + r, u[4 * step] = q - r, u[5 * step] = g[2];
  }
};

/// G^T: 6 to 3.
struct KernelGradient {
  static constexpr int from = kIn, to = kKernel;
  TINYFIN_WINOGRAD_INLINE static void apply(const V *m, V *g, int step) {
    V s = kNormA * (m[1] + m[2]), t = kNormB * (m[3] + m[4]);
    g[0] = kNorm0 * m[0] + s + t;
    g[step] = (kNormA * kA) * (m[1] - m[2]) + (kNormB * kB) * (m[3] - m[4]);
    g[2 * step] = kA2 * s + kB2 * t + m[5];
  }
};

/// Both sides: load(i) gives element i of the square in row-major order, store(i, value) takes that of the result.
template <class T, class Load, class Store> TINYFIN_WINOGRAD_INLINE void transform(Load load, Store store) {
  V between[T::to * T::from], line[T::from], done[T::to];
#pragma unroll
  for (int column = 0; column < T::from; ++column) {
#pragma unroll
    for (int row = 0; row < T::from; ++row) line[row] = load(row * T::from + column);
    T::apply(line, between + column, T::from);
  }
#pragma unroll
  for (int row = 0; row < T::to; ++row) {
    T::apply(between + row * T::from, done, 1);
#pragma unroll
    for (int column = 0; column < T::to; ++column) store(row * T::to + column, done[column]);
  }
}

} // namespace tinyfin::winograd
