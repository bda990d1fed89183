// SPDX-License-Identifier: Apache-2.0
// What code is generated for: a feature list, never a CPU's marketing name (virtual machines lie about those).
#pragma once
#include <string>

namespace tinyfin::cpu {

struct Machine {
  std::string triple, cpu, features;
  int lanes = 4; // of float32 in a vector register; every vector of a kernel has this many elements
  bool hasF16c = false;
  bool hasFma = false;
  bool hasBf16 = false; // rounds to bfloat16 by one instruction
  /// "x86_64 avx512f fma f16c": what generated code depends on.
  std::string name() const;

  static const Machine &host();
  /// "x86-64-v2", "x86-64-v3", "x86-64-v4" or "host".
  static Machine level(const std::string &cpu);
};

} // namespace tinyfin::cpu
