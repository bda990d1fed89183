// SPDX-License-Identifier: Apache-2.0
// Random graphs whose rounding error is known: each value has a bound on its magnitude and on how far two correct
// backends may be apart in it.
#pragma once
#include "test/backends/ConformanceGraph.h"

namespace tinyfin::conformance {

struct FuzzGraph {
  Graph graph;
  std::vector<double> errors; // of each output: the largest absolute difference allowed
};

/// The same seed gives the same graph on every machine.
FuzzGraph makeFuzzGraph(uint64_t seed);

} // namespace tinyfin::conformance
