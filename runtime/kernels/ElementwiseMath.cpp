// SPDX-License-Identifier: Apache-2.0
// Kernels of the transcendental ops; the functions are in VectorMath.h.
#include "runtime/kernels/Kernels.h"
#include "runtime/kernels/RowLoops.h"
#include "runtime/kernels/VectorMath.h"

namespace tinyfin {
namespace {

#define TINYFIN_FUNCTION(Name, function)                                                                               \
  struct Name {                                                                                                        \
    template <class... T> [[gnu::always_inline]] static auto apply(T... x) { return vectormath::function(x...); }      \
  }
TINYFIN_FUNCTION(Exp, exp);
TINYFIN_FUNCTION(Log, log);
TINYFIN_FUNCTION(Tanh, tanh);
TINYFIN_FUNCTION(Erf, erf);
TINYFIN_FUNCTION(Sigmoid, sigmoid);
TINYFIN_FUNCTION(Pow, pow);
TINYFIN_FUNCTION(Sin, sin);
TINYFIN_FUNCTION(Cos, cos);
#undef TINYFIN_FUNCTION

// What the C library computes, for arguments too large for the vector reduction.
struct WideSin {
  static float apply(float x) { return std::sin(x); }
};
struct WideCos {
  static float apply(float x) { return std::cos(x); }
};

/// Vectorized where a whole block of angles is moderate; the others go to the C library one by one.
template <class Op, class WideOp, class T>
void angleRow(void *result, const void *const *inputs, unsigned moving, int64_t count) {
  constexpr int64_t block = 512;
  const T *x = static_cast<const T *>(inputs[0]);
  T *out = static_cast<T *>(result);
  for (int64_t begin = 0; begin < count; begin += block) {
    int64_t size = std::min(block, count - begin);
    int outside = 0;
    for (int64_t i = 0; i < size; ++i) outside |= !(std::fabs(load<T>(x[begin + i])) <= vectormath::kMaxAngle);
    const void *at = x + begin;
    unaryRow<Op, T>(out + begin, &at, moving, size);
    if (!outside) continue;
    for (int64_t i = begin; i < begin + size; ++i)
      if (float angle = load<T>(x[i]); !(std::fabs(angle) <= vectormath::kMaxAngle)) out[i] = store<T>(WideOp::apply(angle));
  }
}

template <class Op, class WideOp> struct AngleOf {
  template <class Tag> RowFn operator()(Tag) const { return angleRow<Op, WideOp, ElementOf<Tag>>; }
  RowFn operator()(TypeTag<double>) const { return unaryRow<Op, double>; }
};

template <class Op> Status runFloat(const KernelArgs &args) {
  return runRows(args, visitFloat(args.inputs[0].dtype, UnaryOf<Op>()));
}

} // namespace

Status Kernel<"fin.exp">::run(const KernelArgs &args) { return runFloat<Exp>(args); }
Status Kernel<"fin.log">::run(const KernelArgs &args) { return runFloat<Log>(args); }
Status Kernel<"fin.tanh">::run(const KernelArgs &args) { return runFloat<Tanh>(args); }
Status Kernel<"fin.erf">::run(const KernelArgs &args) { return runFloat<Erf>(args); }
Status Kernel<"fin.sigmoid">::run(const KernelArgs &args) { return runFloat<Sigmoid>(args); }

Status Kernel<"fin.sin">::run(const KernelArgs &args) {
  return runRows(args, visitFloat(args.inputs[0].dtype, AngleOf<Sin, WideSin>()));
}
Status Kernel<"fin.cos">::run(const KernelArgs &args) {
  return runRows(args, visitFloat(args.inputs[0].dtype, AngleOf<Cos, WideCos>()));
}
Status Kernel<"fin.pow">::run(const KernelArgs &args) {
  return runRows(args, visitFloat(args.inputs[0].dtype, BinaryOf<Pow>()));
}

} // namespace tinyfin
