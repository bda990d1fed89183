// SPDX-License-Identifier: Apache-2.0
// The plans of runtime/kernels between which there is something to choose, chosen by trial (Autotune.h).
#pragma once
#include "runtime/kernels/Autotune.h"
#include "runtime/kernels/conv/OneDnn.h"
#include "runtime/kernels/matmul/Matmul.h"

namespace tinyfin {

/// Blockings other than the rule's that are possible and not absurd.
std::vector<MatmulBlocking> otherBlockings(const MatmulSpec &spec);
/// The plan with the fastest blocking. `isFinished`: its blocks go to a consumer.
StatusOr<MatmulPlan> tunedMatmul(const MatmulSpec &spec, bool isFinished, TuneNotes &notes);

/// Every plan there is for the convolution; the rule's first.
std::vector<std::pair<std::string, std::shared_ptr<const ConvPlan>>> allConvPlans(const ConvSpec &spec);
StatusOr<std::shared_ptr<const ConvPlan>> tunedConv(const ConvSpec &spec, TuneNotes &notes);

} // namespace tinyfin
