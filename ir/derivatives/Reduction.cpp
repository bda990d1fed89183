// SPDX-License-Identifier: Apache-2.0
// Derivatives of the reductions: cotangents are spread over the axes that were reduced.
#include "ir/Rule.h"

namespace tinyfin::fin {

void vjpSum(RuleContext &c) {
  Rule r(c);
  Expr kept = r.shaped(r.dy(), keptDims(r.xSpec().dims, r.listAttr()));
  r.give(0, r.broadcast(kept, r.xSpec().dims));
}

void vjpMean(RuleContext &c) {
  Rule r(c);
  llvm::ArrayRef<int64_t> axes = r.listAttr();
  Expr kept = r.shaped(r.dy(), keptDims(r.xSpec().dims, axes));
  r.give(0, r.broadcast(r.dividedByCount(kept, dimsAt(r.xSpec().dims, axes)), r.xSpec().dims));
}

/// Elements that tie share the cotangent evenly (as torch.amax does).
static void vjpOfExtreme(RuleContext &c) {
  Rule r(c);
  llvm::ArrayRef<int64_t> axes = r.listAttr();
  Dims kept = keptDims(r.xSpec().dims, axes);
  Expr isExtreme = r.cast(r.eq(r.x(), r.shaped(r.y(), kept)), r.xSpec().dtype);
  Expr share = r.shaped(r.dy(), kept) / r.sum(isExtreme, axes, /*keepdims=*/true);
  r.give(0, isExtreme * share);
}

void vjpReduceMax(RuleContext &c) { vjpOfExtreme(c); }
void vjpReduceMin(RuleContext &c) { vjpOfExtreme(c); }

} // namespace tinyfin::fin
