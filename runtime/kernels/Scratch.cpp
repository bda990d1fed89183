// SPDX-License-Identifier: Apache-2.0
// Thread-local blocks that grow and are freed with their thread. Large ones lie on huge pages: panels of operands are
// walked through in strides that small pages would not bear.
#include "runtime/kernels/Scratch.h"
#include <new>
#include <sys/mman.h>

namespace tinyfin {
namespace {

constexpr size_t kHugePage = 2 << 20, kLarge = 512 << 10;

struct Block {
  void *memory = nullptr;
  size_t capacity = 0;
  std::align_val_t alignment() const { return std::align_val_t(capacity < kHugePage ? 64 : kHugePage); }
  ~Block() { release(); }
  void release() {
    ::operator delete(memory, alignment());
    memory = nullptr, capacity = 0;
  }
};
thread_local Block blocks[static_cast<int>(ScratchUse::Count)];

} // namespace

void *scratchBytes(ScratchUse use, size_t bytes) {
  Block &block = blocks[static_cast<int>(use)];
  if (bytes <= block.capacity) return block.memory;
  block.release();
  // Half as much again, so that slowly growing shapes do not allocate each time.
  size_t unit = bytes < kLarge ? 4096 : kHugePage, capacity = (bytes + bytes / 2 + unit - 1) & ~(unit - 1);
  block.memory = ::operator new(capacity, std::align_val_t(unit == kHugePage ? kHugePage : 64));
  block.capacity = capacity;
  if (unit == kHugePage) madvise(block.memory, capacity, MADV_HUGEPAGE);
  return block.memory;
}

} // namespace tinyfin
