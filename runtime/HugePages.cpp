// SPDX-License-Identifier: Apache-2.0
#include "runtime/HugePages.h"
#include "runtime/Config.h"
#include <sys/mman.h>

void tinyfin::adviseHugePages(void *memory, size_t bytes, size_t capacity) {
  const size_t tail = bytes % kHugePage;
  const bool isShort = bytes > kHugePage && tail <= kHugePage / 4 * 3 && !config::isDisabled("small-tails");
  if (size_t large = isShort ? bytes - tail : capacity) madvise(memory, large, MADV_HUGEPAGE);
}
