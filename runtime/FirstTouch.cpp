// SPDX-License-Identifier: Apache-2.0
#include "runtime/FirstTouch.h"
#include "runtime/Config.h"
#include "runtime/HugePages.h"
#include <algorithm>
#include <sys/mman.h>
#include <vector>

namespace tinyfin {

static constexpr size_t kSmallPage = 4096;

/// `memory` begins a page.
static void touch(std::byte *memory, size_t bytes) {
#ifdef MADV_POPULATE_WRITE
  if (madvise(memory, bytes, MADV_POPULATE_WRITE) == 0) return;
#endif
  for (size_t at = 0; at < bytes; at += kSmallPage) *static_cast<volatile std::byte *>(memory + at) = std::byte(0);
}

void touchFirst(std::span<const std::span<std::byte>> blocks, ThreadPool &pool) {
  if (config::isDisabled("first-touch")) return;
  std::vector<std::span<std::byte>> pages;
  for (std::span<std::byte> block : blocks)
    for (size_t at = 0; block.size() >= kHugePage && at < block.size(); at += kHugePage)
      pages.push_back(block.subspan(at, std::min(kHugePage, block.size() - at)));
  pool.parallelFor(static_cast<int64_t>(pages.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) touch(pages[i].data(), pages[i].size());
  });
}

} // namespace tinyfin
