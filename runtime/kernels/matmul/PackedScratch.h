// SPDX-License-Identifier: Apache-2.0
// What a thread's ScratchUse::GemmPacked holds: a thread that goes through chunks with the same packed part of an
// operand packs it once.
#pragma once
#include <cstdint>

namespace tinyfin::gemm {

/// Not 0; none comes twice.
uint64_t newExecution();

/// Whether this thread packed `part` of `execution` there last. If not, the caller packs it now.
bool holdsPacked(uint64_t execution, int64_t part);

} // namespace tinyfin::gemm
