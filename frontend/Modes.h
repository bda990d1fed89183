// SPDX-License-Identifier: Apache-2.0
// What a jitted function asks of its code. Part of every key, behind the target: equal graphs compiled in other ways are
// other entries of the cache.
#pragma once
#include "backends/Backend.h"
#include <array>

namespace tinyfin {

struct Modes {
  int64_t keepBytes = -1; // see CompileOptions; -1: what the setting says
  bool autotune = false;

  std::array<int64_t, 2> words() const { return {keepBytes, autotune}; }
  CompileOptions options(bool deterministic = false) const {
    CompileOptions options{true, deterministic};
    options.keepBytes = keepBytes;
    options.autotune = autotune && !deterministic;
    return options;
  }
};

} // namespace tinyfin
