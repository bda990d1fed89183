// SPDX-License-Identifier: Apache-2.0
// fin.gelu, exact and by tanh.
#include "runtime/kernels/Kernels.h"
#include "runtime/kernels/NormReduce.h"
#include "runtime/kernels/VectorMath.h"

namespace tinyfin {
namespace {

template <class C> C geluByErf(C x) { return C(0.5) * x * (1 + vectormath::erf(x * C(0.70710678118654752440))); }
template <class C> C geluByTanh(C x) {
  return C(0.5) * x * (1 + vectormath::tanh(C(0.79788456080286535588) * (x + C(0.044715) * x * x * x)));
}

template <class T> void runAs(const KernelArgs &args, bool byTanh) {
  const T *__restrict x = args.inputs[0].as<const T>();
  T *__restrict y = args.outputs[0].as<T>();
  args.pool.parallelFor(args.inputs[0].numElements(), kChunkElements, [=](int64_t begin, int64_t end) {
    if (byTanh)
      for (int64_t i = begin; i < end; ++i) y[i] = store<T>(geluByTanh(load<T>(x[i])));
    else
      for (int64_t i = begin; i < end; ++i) y[i] = store<T>(geluByErf(load<T>(x[i])));
  });
}

} // namespace

Status Kernel<"fin.gelu">::run(const KernelArgs &args) {
  AttrReader attrs = args.attrs;
  bool byTanh = attrs.flag();
  return visitFloat(args.inputs[0].dtype, [&](auto tag) {
    runAs<ElementOf<decltype(tag)>>(args, byTanh);
    return Status::ok();
  });
}

} // namespace tinyfin
