// SPDX-License-Identifier: Apache-2.0
// Derivatives of layer and batch normalization. The statistics are results of the op: their cotangents, which arise
// in second derivatives, flow into x as well.
#include "ir/Rule.h"

namespace tinyfin::fin {

/// With g = dy * weight and xhat = (x - mean) * rstd, means over the normalized axes:
///   dx = rstd * (g - mean(g) - xhat * mean(g * xhat)) + (dmean - drstd * rstd^2 * xhat) / count
void vjpLayerNorm(RuleContext &c) {
  Rule r(c);
  const TensorSpec &spec = r.xSpec();
  Axes axes = axesBetween(r.attrs().integer(), static_cast<int64_t>(spec.rank()));
  Expr dy = r.wide(r.dy()), rstd = r.wide(r.y(2)), dx;
  r.give(2, dy);
  if (!r.needs(0) && !r.needs(1)) return;
  Expr xhat = (r.wide(r.x()) - r.wide(r.y(1))) * rstd;
  if (dy && r.needs(0)) {
    Expr g = dy * r.wide(r.x(1));
    dx = rstd * (g - r.mean(g, axes, true) - xhat * r.mean(g * xhat, axes, true));
  }
  if (dy && r.needs(1)) r.give(1, dy * xhat);
  if (!r.needs(0)) return;
  Dims counted = dimsAt(spec.dims, axes);
  if (r.dy(1)) dx = r.sumOf(dx, r.broadcast(r.dividedByCount(r.wide(r.dy(1)), counted), spec.dims));
  if (r.dy(2)) dx = r.sumOf(dx, -(r.dividedByCount(r.wide(r.dy(2)) * r.square(rstd), counted) * xhat));
  r.give(0, dx);
}

/// With centered = x - mean and rstd = 1 / sqrt(var + eps), sums over all axes but the channel's:
///   dx = weight * rstd * (dy - sum(dy) / count - centered * rstd^2 * sum(dy * centered) / count)
///        + (dmean + 2 * dvar * centered) / count
/// The weight's and the bias's cotangents are the same two sums.
void vjpBatchNorm(RuleContext &c) {
  Rule r(c);
  const TensorSpec &spec = r.xSpec();
  Axes axes = axesButChannel(static_cast<int64_t>(spec.rank()));
  Dims counted = dimsAt(spec.dims, axes);
  bool needsOnlyBias = !r.needs(0) && !r.needs(1);
  Expr dy = r.wide(r.dy()), dx, centered;
  if (!needsOnlyBias) centered = r.wide(r.x()) - r.perChannel(r.y(1));
  Expr sum = dy && (r.needs(0) || r.needs(2)) ? r.sum(dy, axes, false) : Expr();
  r.give(2, sum);
  if (dy && !needsOnlyBias) {
    Expr rstd = r.rsqrt(r.wide(r.y(2)) + r.attrs().real());
    Expr scaledSum = r.sum(dy * centered, axes, false) * rstd;
    r.give(1, scaledSum);
    if (r.needs(0)) {
      Expr shift = r.perChannel(r.dividedByCount(sum, counted));
      Expr slope = r.perChannel(r.dividedByCount(scaledSum, counted) * rstd);
      dx = r.perChannel(r.wide(r.x(1)) * rstd) * (dy - shift - centered * slope);
    }
  }
  if (!r.needs(0)) return;
  if (r.dy(1)) dx = r.sumOf(dx, r.broadcast(r.perChannel(r.dividedByCount(r.wide(r.dy(1)), counted)), spec.dims));
  if (r.dy(2)) dx = r.sumOf(dx, r.perChannel(r.dividedByCount(r.wide(r.dy(2)) * 2, counted)) * centered);
  r.give(0, dx);
}

void vjpBatchNormInference(RuleContext &c) {
  Rule r(c);
  Axes axes = axesButChannel(static_cast<int64_t>(r.xSpec().rank()));
  Expr dy = r.wide(r.dy()), sum = r.needs(2) || r.needs(3) ? r.sum(dy, axes, false) : Expr();
  r.give(2, sum);
  if (!r.needs(0) && !r.needs(1) && !r.needs(3) && !r.needs(4)) return;
  Expr weight = r.wide(r.x(1)), rstd = r.rsqrt(r.wide(r.x(4)) + r.attrs().real());
  if (r.needs(0)) r.give(0, dy * r.perChannel(weight * rstd));
  if (r.needs(3)) r.give(3, -(sum * weight * rstd));
  if (!r.needs(1) && !r.needs(4)) return;
  Expr centered = r.wide(r.x()) - r.perChannel(r.x(3));
  Expr scaledSum = r.sum(dy * centered, axes, false) * rstd;
  r.give(1, scaledSum);
  if (r.needs(4)) r.give(4, scaledSum * weight * r.square(rstd) * -0.5);
}

} // namespace tinyfin::fin
