// SPDX-License-Identifier: Apache-2.0
// Kernels of reduce_max and reduce_min.
#include "runtime/kernels/Kernels.h"
#include "runtime/kernels/Reduction.h"

namespace tinyfin {

Status Kernel<"fin.reduce_max">::run(const KernelArgs &args) {
  return visitNumber(args.inputs[0].dtype, [&](auto tag) {
    using T = ElementOf<decltype(tag)>;
    return reduceWith<MaxPolicy<T>, T>(args);
  });
}

Status Kernel<"fin.reduce_min">::run(const KernelArgs &args) {
  return visitNumber(args.inputs[0].dtype, [&](auto tag) {
    using T = ElementOf<decltype(tag)>;
    return reduceWith<MinPolicy<T>, T>(args);
  });
}

} // namespace tinyfin
