// SPDX-License-Identifier: Apache-2.0
// fin.cast: every dtype to every dtype. Float to integer truncates and saturates, NaN becomes 0 (unlike C, no value
// is undefined); integers wrap; to bool is x != 0; bf16 and f16 go through f32.
#include "runtime/kernels/Kernels.h"
#include "runtime/kernels/RowLoops.h"
#include <limits>
#include <type_traits>

namespace tinyfin {
namespace {

template <class To, class From> To saturate(From x) {
  using Limits = std::numeric_limits<To>;
  // As floats: the largest integer plus one, and the smallest; both are powers of two (or 0) and so exact.
  constexpr From above = static_cast<From>(Limits::max() / 2 + 1) * From(2);
  constexpr From least = static_cast<From>(Limits::min());
  To value = x >= above ? Limits::max() : x <= least ? Limits::min() : x == x ? static_cast<To>(x) : To(0);
  return value;
}

template <class To> struct Convert {
  template <class From> static Compute<To> apply(From x) {
    if constexpr (std::is_same_v<To, bool>)
      return x != From(0);
    else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>)
      return saturate<To>(x);
    else
      return static_cast<Compute<To>>(x);
  }
};

template <class From> struct CastFrom {
  template <class Tag> RowFn operator()(Tag) const { return unaryRow<Convert<ElementOf<Tag>>, From, ElementOf<Tag>>; }
};

} // namespace

Status Kernel<"fin.cast">::run(const KernelArgs &args) {
  const DType to = args.outputs[0].dtype;
  return runRows(args, visitAny(args.inputs[0].dtype,
                                [to](auto tag) { return visitAny(to, CastFrom<ElementOf<decltype(tag)>>()); }));
}

} // namespace tinyfin
