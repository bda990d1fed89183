// SPDX-License-Identifier: Apache-2.0
// The innermost loops of elementwise ops, one instance an op and element type, in shapes the compiler vectorizes.
// An op is a struct with a static `apply` over compute types.
#pragma once
#include "runtime/kernels/Broadcast.h"
#include "runtime/kernels/Dispatch.h"
#include <type_traits>

namespace tinyfin {

/// Arithmetic type in which overflow is defined: unsigned for integers.
template <class T> struct WrappingType {
  using Type = T;
};
template <class T>
  requires std::is_integral_v<T>
struct WrappingType<T> {
  using Type = std::make_unsigned_t<T>;
};
template <class T> using Wrapping = typename WrappingType<T>::Type;

template <class Op, class T, class Out = T>
void unaryRow(void *result, const void *const *inputs, unsigned, int64_t count) {
  Out *__restrict out = static_cast<Out *>(result);
  const T *__restrict x = static_cast<const T *>(inputs[0]);
  for (int64_t i = 0; i < count; ++i) out[i] = store<Out>(Op::apply(load<T>(x[i])));
}

template <class Op, class T, class Out = T>
void binaryRow(void *result, const void *const *inputs, unsigned moving, int64_t count) {
  Out *__restrict out = static_cast<Out *>(result);
  const T *__restrict a = static_cast<const T *>(inputs[0]);
  const T *__restrict b = static_cast<const T *>(inputs[1]);
  if (moving == 3) {
    for (int64_t i = 0; i < count; ++i) out[i] = store<Out>(Op::apply(load<T>(a[i]), load<T>(b[i])));
  } else if (moving == 1) {
    const Compute<T> right = load<T>(b[0]);
    for (int64_t i = 0; i < count; ++i) out[i] = store<Out>(Op::apply(load<T>(a[i]), right));
  } else {
    const Compute<T> left = load<T>(a[0]);
    for (int64_t i = 0; i < count; ++i) out[i] = store<Out>(Op::apply(left, load<T>(b[i])));
  }
}

template <class Op> struct UnaryOf {
  template <class Tag> RowFn operator()(Tag) const { return unaryRow<Op, ElementOf<Tag>>; }
};
template <class Op> struct BinaryOf {
  template <class Tag> RowFn operator()(Tag) const { return binaryRow<Op, ElementOf<Tag>>; }
};
template <class Op> struct PredicateOf {
  template <class Tag> RowFn operator()(Tag) const { return binaryRow<Op, ElementOf<Tag>, bool>; }
};

} // namespace tinyfin
