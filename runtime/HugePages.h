// SPDX-License-Identifier: Apache-2.0
// Large blocks lie on pages of 2 MB. What a block has beyond its last whole one lies on small pages if much of another large page
// would be left: untouched, a large page takes no memory; touched once, it takes all of it.
#pragma once
#include <cstddef>

namespace tinyfin {

inline constexpr size_t kHugePage = size_t{2} << 20;

/// For a block of `capacity` bytes that begins on the boundary of a large page, of which the first `bytes` will be used.
/// TINYFIN_DISABLE=small-tails: large pages to the end.
void adviseHugePages(void *memory, size_t bytes, size_t capacity);

} // namespace tinyfin
