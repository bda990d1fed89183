// SPDX-License-Identifier: Apache-2.0
// The loops a region runs over (design/0002): the shape of its root, cut where a reshape needs it and merged wherever
// every access allows it. A poor choice costs speed, never correctness: accesses divide where they must.
#pragma once
#include "backends/cpu/KernelSpec.h"

namespace tinyfin::cpu {

struct Domain {
  Dims shape;                     // of the root
  SmallVector<int64_t, 4> axes;   // reduced axes of the root, ascending
  SmallVector<Dim, 4> loops;      // extents, outermost first, in row-major order of the root; at least one
  SmallVector<bool, 4> isReduced; // one a loop
  SmallVector<int> levels;        // one a value: how many reductions, one after another, it needs; -1: not yet known
  int numLevels = 0;              // of the deepest reduction's operand, plus one; 0 for a map

  bool isMap() const { return numLevels == 0; }
  SmallVector<Dim> keptLoops() const;
  bool laneIsReduced() const { return isReduced.back(); }
};

/// Fails with the reason, such as reductions over different axes.
StatusOr<Domain> planDomain(const KernelSpec &spec);
/// Outputs that can share loops: their numbers into spec.outputs, group by group.
std::vector<SmallVector<unsigned>> groupOutputs(const KernelSpec &spec);

} // namespace tinyfin::cpu
