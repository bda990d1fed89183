// SPDX-License-Identifier: Apache-2.0
// Places buffers of known lifetimes in one block of memory (dynamic storage allocation).
#pragma once
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include <cstdint>

namespace tinyfin::fin {

/// A buffer that is in use from op number `first` to op number `last`, both included.
struct Lifetime {
  int64_t bytes;
  unsigned first, last;
};

struct ArenaLayout {
  llvm::SmallVector<int64_t> offsets; // one a lifetime
  int64_t bytes = 0;
};

/// The most bytes in use at once: what no layout can go below.
int64_t maxLiveBytes(llvm::ArrayRef<Lifetime> lifetimes);
/// Lifetimes that overlap get disjoint memory. Bytes are multiples of the alignment; `lifetimes` are sorted by `first`.
ArenaLayout layOutArena(llvm::ArrayRef<Lifetime> lifetimes);

} // namespace tinyfin::fin
