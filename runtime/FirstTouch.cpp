// SPDX-License-Identifier: Apache-2.0
#include "runtime/FirstTouch.h"
#include "runtime/Config.h"
#include "runtime/HugePages.h"
#include <algorithm>
#include <sys/mman.h>

namespace tinyfin {

static constexpr size_t kSmallPage = 4096;

static void touch(std::span<std::byte> pages) {
#ifdef MADV_POPULATE_WRITE
  if (madvise(pages.data(), pages.size(), MADV_POPULATE_WRITE) == 0) return;
#endif
  for (size_t at = 0; at < pages.size(); at += kSmallPage) static_cast<volatile std::byte &>(pages[at]) = std::byte(0);
}

void touchFirst(std::span<std::byte> memory, ThreadPool &pool) {
  if (config::isDisabled("first-touch")) return;
  auto count = static_cast<int64_t>((memory.size() + kHugePage - 1) / kHugePage);
  pool.parallelFor(count, 1, [&](int64_t begin, int64_t end) {
    size_t from = begin * kHugePage;
    touch(memory.subspan(from, std::min(end * kHugePage, memory.size()) - from));
  });
}

} // namespace tinyfin
