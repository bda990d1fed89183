// SPDX-License-Identifier: Apache-2.0
// Shorthands that derivative rules and decompositions share.
#include "ir/GraphBuilder.h"

namespace tinyfin::fin {

Ref GraphBuilder::sumTo(Ref value, llvm::ArrayRef<Dim> dims) {
  Dims from(dimsOf(value));
  if (llvm::ArrayRef<Dim>(from) == dims) return value;
  size_t lead = from.size() - dims.size();
  llvm::SmallVector<int64_t, 6> leading, repeated;
  for (size_t i = 0; i < from.size(); ++i) {
    if (i < lead)
      leading.push_back(static_cast<int64_t>(i));
    else if (dims[i - lead].is(1) && !from[i].is(1))
      repeated.push_back(static_cast<int64_t>(i));
  }
  if (repeated.empty()) return sum(value, leading, /*keepdims=*/false);
  // One reduction with dims kept, then drop the leading ones: cheaper than two.
  leading.append(repeated);
  Ref summed = sum(value, leading, /*keepdims=*/true);
  return lead ? reshape(summed, dims) : summed;
}

Ref GraphBuilder::zerosOf(const TensorSpec &spec) { return full(scalar(0, spec.dtype), spec.dims); }

} // namespace tinyfin::fin
