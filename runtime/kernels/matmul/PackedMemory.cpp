// SPDX-License-Identifier: Apache-2.0
#include "runtime/kernels/matmul/PackedMemory.h"
#include "runtime/Config.h"
#include "runtime/Fork.h"
#include "runtime/HugePages.h"
#include "runtime/kernels/Rounding.h"
#include <algorithm>
#include <mutex>
#include <new>
#include <string>
#include <sys/mman.h>

namespace tinyfin {
namespace {

constexpr size_t kLine = 64, kBlock = 16 << 20; // pages that nothing was written to take no memory
constexpr size_t kSmall = 128 << 10;            // not worth a large page

/// Parts are handed out front to back and never again.
struct Block {
  std::byte *memory = nullptr;
  size_t capacity = 0, used = 0;
  ~Block() { ::operator delete(memory, std::align_val_t(kHugePage)); }
};

std::shared_ptr<Block> newBlock(size_t capacity) {
  auto *memory = static_cast<std::byte *>(::operator new(capacity, std::align_val_t(kHugePage), std::nothrow));
  if (!memory) return nullptr;
  madvise(memory, capacity, MADV_HUGEPAGE);
  auto block = std::make_shared<Block>();
  block->memory = memory, block->capacity = capacity;
  return block;
}

/// The block that is being filled, if some part of it is still in use.
class Blocks {
public:
  Blocks() { holdAcrossFork(mutex); }
  std::shared_ptr<void> take(size_t bytes) {
    std::lock_guard lock(mutex);
    std::shared_ptr<Block> block = latest.lock();
    if (!block || block->capacity - block->used < bytes) {
      block = newBlock(std::max<size_t>(kBlock, roundUp(bytes, kHugePage)));
      if (!block) return nullptr;
      latest = block;
    }
    std::byte *part = block->memory + block->used;
    block->used += bytes;
    return {std::move(block), part};
  }

private:
  std::mutex mutex;
  std::weak_ptr<Block> latest;
};

} // namespace

StatusOr<std::shared_ptr<void>> packedMemory(size_t bytes) {
  bytes = roundUp(bytes, kLine);
  std::shared_ptr<void> memory;
  if (bytes >= kSmall && !config::isDisabled("share-packed")) {
    static auto *blocks = new Blocks; // never destroyed: plans may be made while the process ends
    memory = blocks->take(bytes);
  } else {
    memory.reset(::operator new(bytes, std::align_val_t(kLine), std::nothrow),
                 [](void *part) { ::operator delete(part, std::align_val_t(kLine)); });
  }
  if (memory) return memory;
  return Status::error(StatusCode::OutOfMemory,
                       "matmul: no " + std::to_string(bytes) + " bytes for a packed operand");
}

} // namespace tinyfin
