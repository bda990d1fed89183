// SPDX-License-Identifier: Apache-2.0
// Scratch memory of the calling thread: kept between calls so that hot paths do not allocate.
#pragma once
#include <cstddef>
#include <cstdint>

namespace tinyfin {

/// One block for each use that may be live at the same time in one thread.
enum class ScratchUse { GemmA, GemmB, GemmC, GemmPacked, GemmPackedRows, Library, LayoutX, LayoutY, LayoutW, Columns, Rows, Weight, Bias, Attention, Count };

/// At least `bytes`, 64-byte aligned; its contents are lost at the next call with the same use. TINYFIN_DISABLE=share-scratch: none
/// shares a huge page with another.
void *scratchBytes(ScratchUse use, size_t bytes);

/// Bytes of address space that the calling thread's blocks take: more than what was ever touched of them.
size_t scratchHeld();

template <class T> T *scratch(ScratchUse use, int64_t count) {
  return static_cast<T *>(scratchBytes(use, static_cast<size_t>(count) * sizeof(T)));
}

} // namespace tinyfin
