// SPDX-License-Identifier: Apache-2.0
// Thread-local blocks that grow and are freed with their thread. Large ones lie on huge pages: panels of operands are
// walked through in strides that small pages would not bear. Those that do not fill a huge page share one.
#include "runtime/kernels/Scratch.h"
#include "runtime/Config.h"
#include "runtime/HugePages.h"
#include "runtime/kernels/Rounding.h"
#include <new>
#include <utility>
#include <vector>

namespace tinyfin {
namespace {

constexpr size_t kLarge = 512 << 10, kPage = 4096, kLine = 64;

void *allocateHuge(size_t bytes, size_t capacity) {
  void *memory = ::operator new(capacity, std::align_val_t(kHugePage));
  adviseHugePages(memory, bytes, capacity);
  return memory;
}

/// Huge pages that blocks share; what a block leaves is not used again.
class SharedPages {
public:
  ~SharedPages() {
    for (void *page : pages) ::operator delete(page, std::align_val_t(kHugePage));
  }
  void *take(size_t bytes) {
    if (bytes > left) pages.push_back(allocateHuge(kHugePage, kHugePage)), left = kHugePage;
    return static_cast<char *>(pages.back()) + kHugePage - std::exchange(left, left - bytes);
  }

private:
  std::vector<void *> pages;
  size_t left = 0; // of the last one
};

struct Block {
  void *memory = nullptr;
  size_t capacity = 0, alignment = 0; // alignment 0: there is none, or it is part of a shared page
  void release() {
    if (alignment) ::operator delete(memory, std::align_val_t(alignment));
    memory = nullptr, capacity = alignment = 0;
  }
};
struct Blocks {
  Block of[static_cast<int>(ScratchUse::Count)];
  ~Blocks() {
    for (Block &block : of) block.release();
  }
};
thread_local SharedPages sharedPages;
thread_local Blocks blocks;

/// Half as much again as is asked for, so that slowly growing shapes do not allocate each time.
Block allocate(size_t bytes) {
  const size_t more = bytes + bytes / 2, part = roundUp(bytes + bytes / 8, kPage);
  if (bytes < kLarge) {
    const size_t capacity = roundUp(more, kPage);
    return {::operator new(capacity, std::align_val_t(kLine)), capacity, kLine};
  }
  // A part of a shared page has less to spare: what it leaves when it grows is lost.
  if (part <= kHugePage / 2 && !config::isDisabled("share-scratch")) return {sharedPages.take(part), part, 0};
  const size_t capacity = roundUp(more, kHugePage);
  return {allocateHuge(bytes, capacity), capacity, kHugePage};
}

} // namespace

void *scratchBytes(ScratchUse use, size_t bytes) {
  Block &block = blocks.of[static_cast<int>(use)];
  if (bytes <= block.capacity) return block.memory;
  block.release();
  block = allocate(bytes);
  return block.memory;
}

size_t scratchHeld() {
  size_t bytes = 0;
  for (const Block &block : blocks.of) bytes += block.capacity;
  return bytes;
}

} // namespace tinyfin
