// SPDX-License-Identifier: Apache-2.0
// Kernels of the binary and ternary arithmetic ops. Integers wrap; a NaN operand wins over numbers.
#include "runtime/kernels/Kernels.h"
#include "runtime/kernels/RowLoops.h"

namespace tinyfin {
namespace {

struct Add {
  template <class T> static T apply(T a, T b) { return static_cast<T>(Wrapping<T>(a) + Wrapping<T>(b)); }
};
struct Sub {
  template <class T> static T apply(T a, T b) { return static_cast<T>(Wrapping<T>(a) - Wrapping<T>(b)); }
};
struct Mul {
  template <class T> static T apply(T a, T b) { return static_cast<T>(Wrapping<T>(a) * Wrapping<T>(b)); }
};
struct Div {
  // The smallest integer over -1 overflows (and traps): it wraps, as negation does.
  template <class T> static T apply(T a, T b) {
    if constexpr (std::is_integral_v<T> && std::is_signed_v<T>)
      return b == T(-1) ? static_cast<T>(Wrapping<T>(0) - Wrapping<T>(a)) : static_cast<T>(a / b);
    else return a / b;
  }
};
struct Maximum {
  template <class T> static T apply(T a, T b) { return ((a > b) | (a != a)) ? a : b; }
};
struct Minimum {
  template <class T> static T apply(T a, T b) { return ((a < b) | (a != a)) ? a : b; }
};
struct Clamp {
  template <class T> static T apply(T x, T low, T high) { return Minimum::apply(Maximum::apply(x, low), high); }
};

template <class T> void clampRow(void *result, const void *const *inputs, unsigned moving, int64_t count) {
  T *__restrict out = static_cast<T *>(result);
  const T *__restrict x = static_cast<const T *>(inputs[0]);
  const T *__restrict low = static_cast<const T *>(inputs[1]);
  const T *__restrict high = static_cast<const T *>(inputs[2]);
  if (moving == 1) {
    const Compute<T> least = load<T>(low[0]), most = load<T>(high[0]);
    for (int64_t i = 0; i < count; ++i) out[i] = store<T>(Clamp::apply(load<T>(x[i]), least, most));
    return;
  }
  const int64_t sx = moving & 1, sl = (moving >> 1) & 1, sh = (moving >> 2) & 1;
  for (int64_t i = 0; i < count; ++i)
    out[i] = store<T>(Clamp::apply(load<T>(x[i * sx]), load<T>(low[i * sl]), load<T>(high[i * sh])));
}

template <class T> void selectRow(void *result, const void *const *inputs, unsigned moving, int64_t count) {
  T *__restrict out = static_cast<T *>(result);
  const bool *__restrict condition = static_cast<const bool *>(inputs[0]);
  const T *__restrict yes = static_cast<const T *>(inputs[1]);
  const T *__restrict no = static_cast<const T *>(inputs[2]);
  // Both values are read first: a select of loads vectorizes, a branch does not.
  if (moving == 7) {
    for (int64_t i = 0; i < count; ++i) { T a = yes[i], b = no[i]; out[i] = condition[i] ? a : b; }
  } else if (moving == 3) {
    const T b = no[0];
    for (int64_t i = 0; i < count; ++i) { T a = yes[i]; out[i] = condition[i] ? a : b; }
  } else if (moving == 5) {
    const T a = yes[0];
    for (int64_t i = 0; i < count; ++i) { T b = no[i]; out[i] = condition[i] ? a : b; }
  } else {
    const int64_t sc = moving & 1, sa = (moving >> 1) & 1, sb = (moving >> 2) & 1;
    for (int64_t i = 0; i < count; ++i) { T a = yes[i * sa], b = no[i * sb]; out[i] = condition[i * sc] ? a : b; }
  }
}

template <class Op> Status runNumber(const KernelArgs &args) {
  return runRows(args, visitNumber(args.inputs[0].dtype, BinaryOf<Op>()));
}

struct HasZero {
  const TensorArg &tensor;
  template <class Tag> bool operator()(Tag) const {
    const auto *items = tensor.as<const ElementOf<Tag>>();
    const int64_t count = tensor.numElements();
    int found = 0;
    for (int64_t i = 0; i < count; ++i) found |= items[i] == 0;
    return found;
  }
};

} // namespace

Status Kernel<"fin.add">::run(const KernelArgs &args) { return runNumber<Add>(args); }
Status Kernel<"fin.sub">::run(const KernelArgs &args) { return runNumber<Sub>(args); }
Status Kernel<"fin.mul">::run(const KernelArgs &args) { return runNumber<Mul>(args); }
Status Kernel<"fin.maximum">::run(const KernelArgs &args) { return runNumber<Maximum>(args); }
Status Kernel<"fin.minimum">::run(const KernelArgs &args) { return runNumber<Minimum>(args); }

Status Kernel<"fin.div">::run(const KernelArgs &args) {
  const TensorArg &divisor = args.inputs[1];
  if (args.outputs[0].numElements() > 0 && visitInteger(divisor.dtype, HasZero{divisor}))
    return Status::error(StatusCode::InvalidArgument, "integer division by zero");
  return runNumber<Div>(args);
}

Status Kernel<"fin.clamp">::run(const KernelArgs &args) {
  return runRows(args, visitNumber(args.inputs[0].dtype, [](auto tag) -> RowFn { return clampRow<ElementOf<decltype(tag)>>; }));
}

Status Kernel<"fin.select">::run(const KernelArgs &args) {
  return runRows(args, visitSize(args.inputs[1].dtype, [](auto tag) -> RowFn { return selectRow<ElementOf<decltype(tag)>>; }));
}

} // namespace tinyfin
