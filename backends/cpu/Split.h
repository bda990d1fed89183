// SPDX-License-Identifier: Apache-2.0
// A reduction with few results and many elements as two kernels: pieces of it, whose number the shapes alone decide, and
// their combination. So threads share the work and results do not depend on how many there are.
#pragma once
#include "backends/cpu/KernelSpec.h"

namespace tinyfin::cpu {

struct SplitReduction {
  KernelSpec pieces;                     // inputs of the whole spec -> partial results
  SmallVector<uint32_t, 4> pieceInputs;  // numbers of the whole spec's inputs
  KernelSpec combination;                // partial results, then inputs of the whole -> its outputs
  SmallVector<uint32_t, 4> otherInputs;
};

/// Nothing where one kernel does as well.
std::optional<SplitReduction> splitReduction(const KernelSpec &spec);

} // namespace tinyfin::cpu
