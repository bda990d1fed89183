// SPDX-License-Identifier: Apache-2.0
// Thread-local blocks that grow and are freed with their thread. Large ones lie on huge pages: panels of operands are
// walked through in strides that small pages would not bear. Those that do not fill a huge page share one.
#include "runtime/kernels/Scratch.h"
#include "runtime/Config.h"
#include "runtime/HugePages.h"
#include "runtime/kernels/Rounding.h"
#include <new>
#include <vector>

namespace tinyfin {
namespace {

constexpr size_t kLarge = 512 << 10, kSmall = 64 << 10, kPage = 4096, kLine = 64;

void *allocateHuge(size_t bytes, size_t capacity) {
  void *memory = ::operator new(capacity, std::align_val_t(kHugePage));
  adviseHugePages(memory, bytes, capacity);
  return memory;
}

/// Huge pages that blocks share. A part lies where it leaves least; what is given back joins its neighbours.
class SharedPages {
public:
  ~SharedPages() {
    for (const Part &page : pages) ::operator delete(page.at, std::align_val_t(kHugePage));
  }
  /// Null where a page would have to be added that is not wanted.
  void *take(size_t bytes, bool mayGrow) {
    auto fit = free.end();
    for (auto part = free.begin(); part != free.end(); ++part)
      if (part->bytes >= bytes && (fit == free.end() || part->bytes < fit->bytes)) fit = part;
    if (fit == free.end()) {
      if (!mayGrow) return nullptr;
      pages.push_back({static_cast<char *>(allocateHuge(kHugePage, kHugePage)), kHugePage});
      fit = free.insert(fit, pages.back());
    }
    char *at = fit->at;
    fit->at += bytes, fit->bytes -= bytes;
    if (!fit->bytes) free.erase(fit);
    return at;
  }
  void give(void *memory, size_t bytes) {
    Part part{static_cast<char *>(memory), bytes};
    std::erase_if(free, [&](const Part &other) {
      const bool isBefore = other.at + other.bytes == part.at, isBehind = part.at + part.bytes == other.at;
      // Pages may be neighbours by chance; a part stays within its own.
      if (!(isBefore || isBehind) || pageOf(other.at) != pageOf(part.at)) return false;
      part = {isBefore ? other.at : part.at, part.bytes + other.bytes};
      return true;
    });
    free.push_back(part);
  }

private:
  struct Part {
    char *at;
    size_t bytes;
  };
  static uintptr_t pageOf(const char *at) { return reinterpret_cast<uintptr_t>(at) / kHugePage; }
  std::vector<Part> pages, free;
};

struct Block {
  void *memory = nullptr;
  size_t capacity = 0, alignment = 0; // alignment 0: part of a shared page
};
struct Blocks {
  SharedPages shared;
  Block of[static_cast<int>(ScratchUse::Count)];

  ~Blocks() {
    for (Block &block : of) release(block);
  }
  void release(Block &block) {
    if (block.alignment)
      ::operator delete(block.memory, std::align_val_t(block.alignment));
    else if (block.memory)
      shared.give(block.memory, block.capacity);
    block = {};
  }
  /// Half as much again as is asked for, so that slowly growing shapes do not allocate each time. Large blocks have that as
  /// addresses only, parts of a shared page hardly: what they leave when they grow is used again.
  Block allocate(size_t bytes) {
    const size_t more = bytes + bytes / 2, part = roundUp(bytes + bytes / 16, kPage);
    if (bytes >= kSmall && part <= kHugePage && !config::isDisabled("share-scratch"))
      if (void *memory = shared.take(part, bytes >= kLarge)) return {memory, part, 0};
    if (bytes < kLarge) {
      const size_t capacity = roundUp(more, kPage);
      return {::operator new(capacity, std::align_val_t(kLine)), capacity, kLine};
    }
    const size_t capacity = roundUp(more, kHugePage);
    return {allocateHuge(bytes, capacity), capacity, kHugePage};
  }
};
thread_local Blocks blocks;

} // namespace

void *scratchBytes(ScratchUse use, size_t bytes) {
  Block &block = blocks.of[static_cast<int>(use)];
  if (bytes <= block.capacity) return block.memory;
  blocks.release(block);
  block = blocks.allocate(bytes);
  return block.memory;
}

size_t scratchHeld() {
  size_t bytes = 0;
  for (const Block &block : blocks.of) bytes += block.capacity;
  return bytes;
}

} // namespace tinyfin
