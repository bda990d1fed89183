// SPDX-License-Identifier: Apache-2.0
// Memory that was freed and that the C library keeps for later: a compilation leaves megabytes of it in the heaps of threads
// that are gone.
#pragma once
#include <cstddef>

namespace tinyfin {

/// Gives it back to the system if there are `least` bytes of it; 2 to 3 ms after a large compilation. Whether it did: never
/// with TINYFIN_DISABLE=return-freed, nor with other C libraries than glibc.
bool returnFreedMemory(size_t least = 4 << 20);

} // namespace tinyfin
