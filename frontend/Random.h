// SPDX-License-Identifier: Apache-2.0
// The generator behind manual_seed: a key and a counter of Philox blocks, advanced when an op is recorded, so that
// the numbers do not depend on when or how the op runs.
#pragma once
#include <cstdint>

namespace tinyfin {

struct Generator {
  int64_t seed = 0x5eed;
  int64_t counter = 0;
  static Generator &process();
};

/// How many counter blocks a random op over `elements` uses.
constexpr int64_t blocksFor(int64_t elements) { return (elements + 3) / 4; }

} // namespace tinyfin
