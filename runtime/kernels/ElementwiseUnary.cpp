// SPDX-License-Identifier: Apache-2.0
// Kernels of the unary ops that are plain arithmetic. Integers wrap.
#include "runtime/kernels/Kernels.h"
#include "runtime/kernels/RowLoops.h"
#include <cmath>

namespace tinyfin {
namespace {

struct Neg {
  template <class T> static T apply(T x) {
    if constexpr (std::is_floating_point_v<T>) return -x;
    else return static_cast<T>(Wrapping<T>(0) - static_cast<Wrapping<T>>(x));
  }
};
struct Abs {
  template <class T> static T apply(T x) {
    if constexpr (std::is_floating_point_v<T>) return std::fabs(x);
    else return x < T(0) ? Neg::apply(x) : x;
  }
};
struct Square {
  // int8 is widened by C++'s rules, so only int32 and int64 need the unsigned detour.
  template <class T> static T apply(T x) { return static_cast<T>(static_cast<Wrapping<T>>(x) * static_cast<Wrapping<T>>(x)); }
};
struct Sign {
  template <class T> static T apply(T x) {
    T sign = static_cast<T>((x > T(0)) - (x < T(0)));
    return x == x ? sign : x;
  }
};
struct Relu {
  template <class T> static T apply(T x) { return x < T(0) ? T(0) : x; }
};
struct Sqrt {
  template <class T> static T apply(T x) { return std::sqrt(x); }
};
struct Rsqrt {
  template <class T> static T apply(T x) { return T(1) / std::sqrt(x); }
};
struct Reciprocal {
  template <class T> static T apply(T x) { return T(1) / x; }
};

template <class Op> Status runNumber(const KernelArgs &args) {
  return runRows(args, visitNumber(args.inputs[0].dtype, UnaryOf<Op>()));
}
template <class Op> Status runFloat(const KernelArgs &args) {
  return runRows(args, visitFloat(args.inputs[0].dtype, UnaryOf<Op>()));
}

} // namespace

Status Kernel<"fin.abs">::run(const KernelArgs &args) { return runNumber<Abs>(args); }
Status Kernel<"fin.neg">::run(const KernelArgs &args) { return runNumber<Neg>(args); }
Status Kernel<"fin.sign">::run(const KernelArgs &args) { return runNumber<Sign>(args); }
Status Kernel<"fin.relu">::run(const KernelArgs &args) { return runNumber<Relu>(args); }
Status Kernel<"fin.square">::run(const KernelArgs &args) { return runNumber<Square>(args); }
Status Kernel<"fin.sqrt">::run(const KernelArgs &args) { return runFloat<Sqrt>(args); }
Status Kernel<"fin.rsqrt">::run(const KernelArgs &args) { return runFloat<Rsqrt>(args); }
Status Kernel<"fin.reciprocal">::run(const KernelArgs &args) { return runFloat<Reciprocal>(args); }

} // namespace tinyfin
