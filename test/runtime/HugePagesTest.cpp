// SPDX-License-Identifier: Apache-2.0
// A block that leaves much of its last large page unused takes small pages there, whatever is touched first.
#include "runtime/HugePages.h"
#include "gtest/gtest.h"
#include "runtime/Config.h"
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <sys/mman.h>

using namespace tinyfin;

namespace {

/// Whether the kernel lists memory with the flag that asks for large pages (`hg` in /proc/self/smaps).
bool isAdvised(const void *memory) {
  std::ifstream maps("/proc/self/smaps");
  std::string line;
  for (bool isHere = false; std::getline(maps, line);) {
    unsigned long from, to;
    if (sscanf(line.c_str(), "%lx-%lx ", &from, &to) == 2 && line.find(':') > line.find(' '))
      isHere = from <= reinterpret_cast<uintptr_t>(memory) && reinterpret_cast<uintptr_t>(memory) < to;
    if (isHere && line.rfind("VmFlags:", 0) == 0) return line.find(" hg") != std::string::npos;
  }
  return false;
}

/// Whether the first and the last of `bytes` lie on large pages, of a block of 8 MiB.
std::pair<bool, bool> adviseBlock(size_t bytes) {
  constexpr size_t kCapacity = 8 << 20;
  void *mapped = mmap(nullptr, kCapacity + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  EXPECT_NE(mapped, MAP_FAILED);
  char *memory = reinterpret_cast<char *>((reinterpret_cast<uintptr_t>(mapped) + kHugePage - 1) / kHugePage * kHugePage);
  adviseHugePages(memory, bytes, kCapacity);
  std::pair<bool, bool> found{isAdvised(memory), isAdvised(memory + bytes - 1)};
  munmap(mapped, kCapacity + kHugePage);
  return found;
}

using Pair = std::pair<bool, bool>;

} // namespace

TEST(HugePages, AShortTailHasSmallPages) {
  if (adviseBlock(kHugePage).first == false) GTEST_SKIP() << "the kernel has no large pages on demand";
  EXPECT_EQ(adviseBlock(2 * kHugePage + 4096), Pair(true, false));
  EXPECT_EQ(adviseBlock(kHugePage + kHugePage / 2), Pair(true, false));
}

TEST(HugePages, ALongTailAndABlockBelowAPageHaveLargeOnes) {
  if (adviseBlock(kHugePage).first == false) GTEST_SKIP() << "the kernel has no large pages on demand";
  EXPECT_EQ(adviseBlock(2 * kHugePage - 4096), Pair(true, true));
  EXPECT_EQ(adviseBlock(kHugePage - 4096), Pair(true, true));
  ASSERT_TRUE(Config::process().set("DISABLE", "small-tails").isOk());
  EXPECT_EQ(adviseBlock(2 * kHugePage + 4096), Pair(true, true));
  ASSERT_TRUE(Config::process().set("DISABLE", "").isOk());
}
