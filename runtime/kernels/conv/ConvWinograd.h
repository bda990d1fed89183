// SPDX-License-Identifier: Apache-2.0
// 3x3 convolutions at stride 1 with a quarter of the multiplications, f32 and channels last.
#pragma once
#include "runtime/kernels/conv/OneDnn.h"

namespace tinyfin {

/// Whether Winograd's form is possible for the shape and the faster one. Its results differ from exact ones by
/// some 3e-6 of the largest result, direct sums by 1.5e-6. TINYFIN_DISABLE=winograd switches it off.
bool prefersWinograd(const ConvSpec &spec);
std::shared_ptr<const ConvPlan> makeWinogradConv(const ConvSpec &spec);

} // namespace tinyfin
