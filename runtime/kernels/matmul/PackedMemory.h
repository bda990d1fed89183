// SPDX-License-Identifier: Apache-2.0
// Memory of operands that are packed once and then read again and again, front to back, by all threads. Those of a
// model lie side by side on large pages: most are smaller than one, and finding a small page every 4 KB takes as long
// as reading it.
#pragma once
#include "runtime/Status.h"
#include <cstddef>
#include <memory>

namespace tinyfin {

/// 64-byte aligned, alive as long as the pointer. TINYFIN_DISABLE=share-packed: each has a block
/// of its own.
StatusOr<std::shared_ptr<void>> packedMemory(size_t bytes);

} // namespace tinyfin
