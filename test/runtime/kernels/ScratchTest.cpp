// SPDX-License-Identifier: Apache-2.0
// Scratch of one thread: blocks of different uses are apart, and those that do not fill a huge page share one.
#include "runtime/kernels/Scratch.h"
#include "gtest/gtest.h"
#include "runtime/Config.h"
#include <cstring>
#include <thread>
#include <vector>

using namespace tinyfin;

namespace {

constexpr size_t kHugePage = 2 << 20, kPart = 600 << 10;
constexpr ScratchUse kUses[] = {ScratchUse::LayoutX, ScratchUse::LayoutY, ScratchUse::Columns};

size_t pageOf(const void *memory) { return reinterpret_cast<uintptr_t>(memory) / kHugePage; }

/// What a fresh thread gets for three uses of `bytes` each.
std::vector<size_t> pages(size_t bytes) {
  std::vector<size_t> found;
  std::thread([&] {
    for (ScratchUse use : kUses) found.push_back(pageOf(scratchBytes(use, bytes)));
  }).join();
  return found;
}

} // namespace

TEST(Scratch, PartsOfAHugePageShareOne) {
  std::vector<size_t> found = pages(kPart);
  EXPECT_EQ(found[0], found[1]);
  EXPECT_EQ(found[0], found[2]);
}

TEST(Scratch, WhatFillsAPageAndWhereItIsSwitchedOffNoneIsShared) {
  std::vector<size_t> large = pages(kHugePage - 4096);
  EXPECT_NE(large[0], large[1]);
  ASSERT_TRUE(Config::process().set("DISABLE", "share-scratch").isOk());
  std::vector<size_t> found = pages(kPart);
  ASSERT_TRUE(Config::process().set("DISABLE", "").isOk());
  EXPECT_NE(found[0], found[1]);
  EXPECT_NE(found[0], found[2]);
}

TEST(Scratch, BlocksAreApartAndKeptUntilTheyGrow) {
  std::thread([] {
    std::vector<char *> blocks;
    std::vector<size_t> sizes{1000, kPart, 3 * kHugePage};
    for (int round = 0; round < 4; ++round, sizes[0] *= 9, sizes[1] += 100 << 10, sizes[2] += 1) {
      blocks.clear();
      for (int i = 0; i < 3; ++i) {
        blocks.push_back(static_cast<char *>(scratchBytes(kUses[i], sizes[i])));
        EXPECT_EQ(reinterpret_cast<uintptr_t>(blocks[i]) % 64, 0u);
      }
      for (int i = 0; i < 3; ++i) std::memset(blocks[i], i + 1, sizes[i]);
      for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(scratchBytes(kUses[i], sizes[i] / 2), blocks[i]);
        EXPECT_EQ(std::count(blocks[i], blocks[i] + sizes[i], i + 1), static_cast<ptrdiff_t>(sizes[i])) << i;
      }
    }
  }).join();
}

TEST(Scratch, WhatABlockLeavesWhenItGrowsIsUsedAgain) {
  std::thread([] {
    size_t first = pageOf(scratchBytes(ScratchUse::LayoutX, kPart));
    EXPECT_EQ(pageOf(scratchBytes(ScratchUse::LayoutX, 2 * kPart)), first);   // what is left of the page
    EXPECT_EQ(pageOf(scratchBytes(ScratchUse::LayoutY, kPart - 4096)), first); // where X was
    EXPECT_NE(pageOf(scratchBytes(ScratchUse::Columns, kPart)), first);
  }).join();
}

TEST(Scratch, SmallBlocksTakeRoomThatIsThereAndNoPageOfTheirOwn) {
  std::thread([] {
    constexpr size_t kSmall = 100 << 10;
    void *alone = scratchBytes(ScratchUse::Rows, kSmall);
    size_t held = scratchHeld();
    EXPECT_LT(held, kHugePage / 4);
    size_t page = pageOf(scratchBytes(ScratchUse::LayoutX, kPart));
    EXPECT_NE(pageOf(alone), page);
    EXPECT_EQ(pageOf(scratchBytes(ScratchUse::LayoutY, kSmall)), page);
  }).join();
}
