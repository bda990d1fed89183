// SPDX-License-Identifier: Apache-2.0
// Whole pieces of sizes.
#pragma once
#include <cstdint>

namespace tinyfin {

constexpr int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t roundUp(int64_t a, int64_t multiple) { return ceilDiv(a, multiple) * multiple; }

} // namespace tinyfin
