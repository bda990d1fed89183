// SPDX-License-Identifier: Apache-2.0
// Generated kernel or plan: the rule of Contractions.h, checked by trial.
#pragma once
#include "backends/cpu/Contractions.h"
#include "runtime/kernels/Tune.h"

namespace tinyfin::cpu {

/// What prefersGenerated says, unless the other form is faster here. Ops for which there is only one are not tried.
bool choosesGenerated(mlir::Operation *op, TuneNotes &notes);

} // namespace tinyfin::cpu
