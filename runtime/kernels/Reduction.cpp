// SPDX-License-Identifier: Apache-2.0
// Kernels of sum and mean, and the merging of axes for all reductions.
#include "runtime/kernels/Reduction.h"
#include "runtime/kernels/Kernels.h"

namespace tinyfin {

bool ReductionShape::build(std::span<const int64_t> dims, std::span<const int64_t> axes) {
  int64_t stride = 1;
  int last = -1; // of the axis before: 0 kept, 1 reduced, -1 none yet
  for (size_t i = dims.size(); i-- > 0; stride *= dims[i]) {
    if (dims[i] == 1) continue;
    const bool isReduced = std::find(axes.begin(), axes.end(), static_cast<int64_t>(i)) != axes.end();
    Axis *list = isReduced ? reduced : kept;
    int &size = isReduced ? reducedAxes : keptAxes;
    (isReduced ? count : outputs) *= dims[i];
    if (last == isReduced)
      list[size - 1].extent *= dims[i];
    else if (size == kMaxAxes)
      return false;
    else
      list[size++] = {dims[i], stride};
    if (last < 0) innermostReduced = isReduced;
    last = isReduced;
  }
  return true;
}

Status Kernel<"fin.sum">::run(const KernelArgs &args) {
  return visitNumber(args.inputs[0].dtype, [&](auto tag) {
    using T = ElementOf<decltype(tag)>;
    return reduceWith<SumPolicy<T>, T>(args);
  });
}

Status Kernel<"fin.mean">::run(const KernelArgs &args) {
  return visitFloat(args.inputs[0].dtype, [&](auto tag) {
    using T = ElementOf<decltype(tag)>;
    return reduceWith<MeanPolicy<T>, T>(args);
  });
}

} // namespace tinyfin
