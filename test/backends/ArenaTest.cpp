// SPDX-License-Identifier: Apache-2.0
// Layouts of random lifetimes: what lives together is apart, and little memory is wasted.
#include "passes/Arena.h"
#include <algorithm>
#include <gtest/gtest.h>
#include <random>

using namespace tinyfin::fin;

namespace {

bool overlapInTime(const Lifetime &a, const Lifetime &b) { return a.first <= b.last && b.first <= a.last; }

void expectDisjoint(llvm::ArrayRef<Lifetime> lifetimes, const ArenaLayout &layout) {
  for (size_t a = 0; a < lifetimes.size(); ++a) {
    EXPECT_LE(layout.offsets[a] + lifetimes[a].bytes, layout.bytes);
    EXPECT_EQ(layout.offsets[a] % 64, 0);
    for (size_t b = a + 1; b < lifetimes.size(); ++b)
      if (overlapInTime(lifetimes[a], lifetimes[b]))
        EXPECT_TRUE(layout.offsets[a] + lifetimes[a].bytes <= layout.offsets[b] ||
                    layout.offsets[b] + lifetimes[b].bytes <= layout.offsets[a])
            << a << " and " << b;
  }
}

/// Like a training step: forward values live until their turn in the backward pass, temporaries briefly.
std::vector<Lifetime> randomLifetimes(unsigned seed, unsigned least = 20) {
  std::mt19937 random(seed);
  unsigned ops = least + random() % 300;
  std::vector<Lifetime> lifetimes;
  for (unsigned at = 0; at < ops; ++at) {
    bool isSaved = at < ops / 2 && random() % 3 == 0;
    unsigned last = isSaved ? ops - at : std::min<unsigned>(ops, at + 1 + random() % 4);
    lifetimes.push_back({64 * int64_t(1 + random() % (1 << random() % 12)), at, std::max(at, last)});
  }
  return lifetimes;
}

TEST(Arena, RandomLifetimesAreApartAndTight) {
  double total = 0, floor = 0;
  unsigned loose = 0;
  constexpr unsigned kGraphs = 200;
  for (unsigned seed = 0; seed < kGraphs; ++seed) {
    std::vector<Lifetime> lifetimes = randomLifetimes(seed);
    ArenaLayout layout = layOutArena(lifetimes);
    expectDisjoint(lifetimes, layout);
    int64_t least = maxLiveBytes(lifetimes);
    ASSERT_GE(layout.bytes, least);
    total += layout.bytes, floor += least;
    loose += layout.bytes > least + least / 10;
  }
  EXPECT_LE(total, 1.02 * floor);
  EXPECT_LE(loose, kGraphs / 20) << "graphs whose arena is over 1.1 times what is live at once";
}

TEST(Arena, ATenthThatOneOrderWastesIsFoundByAnother) {
  // In order of time the second short one lies above the first, whose place the long one does not fit into.
  std::vector<Lifetime> lifetimes = {{6400, 0, 9}, {128, 0, 1}, {64, 1, 9}, {192, 2, 9}};
  EXPECT_EQ(layOutArena(lifetimes).bytes, maxLiveBytes(lifetimes));
}

TEST(Arena, ManyLifetimesAreLaidOutInOrderOfTime) {
  std::vector<Lifetime> lifetimes = randomLifetimes(1, 5000); // the other orders take quadratic time
  ArenaLayout layout = layOutArena(lifetimes);
  expectDisjoint(lifetimes, layout);
  EXPECT_LE(layout.bytes, maxLiveBytes(lifetimes) * 1.1);
}

TEST(Arena, MaxLiveCountsBothEnds) {
  std::vector<Lifetime> lifetimes = {{64, 0, 1}, {128, 1, 2}, {256, 2, 2}};
  EXPECT_EQ(maxLiveBytes(lifetimes), 384);
}

TEST(Arena, NothingNeedsNothing) {
  EXPECT_EQ(layOutArena({}).bytes, 0);
  std::vector<Lifetime> empty = {{0, 0, 5}, {64, 1, 2}, {0, 1, 3}};
  EXPECT_EQ(layOutArena(empty).bytes, 64);
}

} // namespace
