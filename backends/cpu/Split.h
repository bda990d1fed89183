// SPDX-License-Identifier: Apache-2.0
// A reduction with few results and many elements as two kernels: pieces of it, whose number the shapes alone decide, and
// their combination. So threads share the work and results do not depend on how many there are.
#pragma once
#include "backends/cpu/KernelSpec.h"

namespace tinyfin::cpu {

struct SplitReduction {
  KernelSpec pieces;                     // inputs of the whole spec -> partial results, then its full results
  SmallVector<uint32_t, 4> pieceInputs;  // numbers of the whole spec's inputs
  KernelSpec combination;                // partial results, then inputs of the whole -> its other results
  SmallVector<uint32_t, 4> otherInputs;
  SmallVector<unsigned, 4> fullOutputs, keptOutputs; // numbers of the whole spec's outputs
};

/// Nothing where one kernel does as well.
std::optional<SplitReduction> splitReduction(const KernelSpec &spec);
/// All kernels of a region without a product: the two of a split reduction, else one for each group of outputs that fit the same loops.
std::vector<KernelSpec> kernelsOf(const KernelSpec &spec);

} // namespace tinyfin::cpu
