// SPDX-License-Identifier: Apache-2.0
// Thread-local blocks that grow and are freed with their thread.
#include "runtime/kernels/Scratch.h"
#include <new>

namespace tinyfin {
namespace {

constexpr std::align_val_t kAlignment{64};

struct Block {
  void *memory = nullptr;
  size_t capacity = 0;
  ~Block() { ::operator delete(memory, kAlignment); }
};
thread_local Block blocks[static_cast<int>(ScratchUse::Count)];

} // namespace

void *scratchBytes(ScratchUse use, size_t bytes) {
  Block &block = blocks[static_cast<int>(use)];
  if (bytes <= block.capacity) return block.memory;
  ::operator delete(block.memory, kAlignment);
  block.memory = nullptr;
  block.capacity = 0;
  // Half as much again, so that slowly growing shapes do not allocate each time.
  size_t capacity = (bytes + bytes / 2 + 4095) & ~size_t(4095);
  block.memory = ::operator new(capacity, kAlignment);
  block.capacity = capacity;
  return block.memory;
}

} // namespace tinyfin
