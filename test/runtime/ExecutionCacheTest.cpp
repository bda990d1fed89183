// SPDX-License-Identifier: Apache-2.0
#include "runtime/ExecutionCache.h"
#include <gtest/gtest.h>
#include <thread>

using namespace tinyfin;

namespace {

using Slots = std::vector<uint32_t>;

struct FakeExecutable : Executable {
  explicit FakeExecutable(size_t codeBytes = 0, int *alive = nullptr) : alive(alive) {
    stats.codeBytes = codeBytes;
    if (alive) ++*alive;
  }
  ~FakeExecutable() override {
    if (alive) --*alive;
  }
  Status run(std::span<void *const>, std::span<void *const>) override { return Status::ok(); }
  const char *backend() const override { return "fake"; }
  int *alive;
};

std::shared_ptr<Executable> fake(size_t codeBytes = 0) { return std::make_shared<FakeExecutable>(codeBytes); }
Words wordsFrom(int64_t first, size_t count) {
  Words words(count);
  for (size_t i = 0; i < count; ++i) words[i] = first + static_cast<int64_t>(i);
  return words;
}

TEST(KeyHasher, SplitsDoNotMatter) {
  Words words = wordsFrom(100, 61);
  for (size_t count : {0, 1, 7, 8, 9, 16, 61})
    for (size_t split = 0; split <= count; ++split) {
      KeyHasher hasher;
      hasher.add(std::span(words).first(split));
      for (size_t i = split; i < count; ++i) hasher.add(words[i]);
      EXPECT_EQ(hasher.value(), KeyHasher::of(std::span(words).first(count))) << count << " at " << split;
    }
}

TEST(KeyHasher, EveryWordAndLengthCounts) {
  Words words(40, 0);
  uint64_t plain = KeyHasher::of(words);
  for (size_t i = 0; i < words.size(); ++i) {
    Words other = words;
    other[i] = 1;
    EXPECT_NE(KeyHasher::of(other), plain) << i;
    EXPECT_NE(KeyHasher::of(std::span(words).first(i)), plain) << i;
  }
}

TEST(ExecutionCache, MissThenHit) {
  ExecutionCache cache(1 << 20);
  Words key = wordsFrom(1, 100);
  EXPECT_FALSE(cache.find(key, Slots{3}));
  auto executable = fake();
  auto entry = cache.insert(key, Slots{3}, executable);
  Lookup found = cache.find(key, Slots{3});
  ASSERT_TRUE(found);
  EXPECT_EQ(found.entry, entry);
  EXPECT_EQ(found.executable, executable);
  EXPECT_EQ(found.seen, 2u);
  EXPECT_TRUE(found.isExact);
  EXPECT_EQ(cache.find(key, Slots{3}, KeyHasher::of(key)).seen, 3u);
  CacheStats stats = cache.stats();
  EXPECT_EQ(stats.hits, 2u);
  EXPECT_EQ(stats.misses, 1u);
  EXPECT_EQ(stats.interpretedHits, 2u);
  EXPECT_EQ(stats.graphs, 1u);
  EXPECT_GE(stats.bytes, 800u);
}

TEST(ExecutionCache, EqualHashesAreToldApart) {
  ExecutionCache cache(1 << 20);
  Words one = wordsFrom(1, 20), two = wordsFrom(2, 20), shorter = wordsFrom(1, 19);
  auto first = fake(), second = fake();
  cache.insert(one, Slots{0}, first, {.hash = 42});
  EXPECT_FALSE(cache.find(two, Slots{0}, 42));
  EXPECT_FALSE(cache.find(shorter, Slots{0}, 42));
  cache.insert(two, Slots{0}, second, {.hash = 42});
  EXPECT_EQ(cache.find(one, Slots{0}, 42).executable, first);
  EXPECT_EQ(cache.find(two, Slots{0}, 42).executable, second);
}

TEST(ExecutionCache, SupersetsOfTheLiveSlotsHit) {
  ExecutionCache cache(1 << 20);
  Words key = wordsFrom(1, 10);
  auto wide = cache.insert(key, Slots{1, 3, 5, 9}, fake());
  EXPECT_FALSE(cache.find(key, Slots{1, 4}));
  Lookup found = cache.find(key, Slots{3, 9});
  EXPECT_EQ(found.entry, wide);
  EXPECT_FALSE(found.isExact);
  auto narrow = cache.insert(key, Slots{3, 5, 9}, fake());
  EXPECT_EQ(cache.find(key, Slots{3, 9}).entry, narrow); // fewer outputs
  cache.install(*wide, fake());
  EXPECT_EQ(cache.find(key, Slots{3, 9}).entry, wide); // compiled
  auto exact = cache.insert(key, Slots{3, 9}, fake());
  EXPECT_EQ(cache.find(key, Slots{3, 9}).entry, exact);
  EXPECT_EQ(cache.insert(key, Slots{3, 9}, fake()), exact);
  EXPECT_EQ(cache.stats().entries, 3u);
  EXPECT_EQ(cache.stats().graphs, 1u);
}

TEST(ExecutionCache, VariantsOfOneGraphAreBounded) {
  ExecutionCache cache(1 << 20);
  Words key = wordsFrom(1, 10);
  auto first = cache.insert(key, Slots{0}, fake());
  for (uint32_t slot = 1; slot < 50; ++slot) cache.insert(key, Slots{slot}, fake());
  EXPECT_LE(cache.stats().entries, 8u);
  EXPECT_TRUE(first->isEvicted());
  EXPECT_TRUE(cache.find(key, Slots{49}));
}

TEST(ExecutionCache, InstallSwapsTheExecutable) {
  ExecutionCache cache(1 << 20);
  Words key = wordsFrom(1, 10);
  auto entry = cache.insert(key, Slots{0}, fake());
  uint64_t before = cache.stats().bytes;
  EXPECT_TRUE(entry->advance(CompileState::Interpreted, CompileState::Queued));
  EXPECT_FALSE(entry->advance(CompileState::Interpreted, CompileState::Queued));
  auto compiled = fake(5000);
  cache.install(*entry, compiled);
  EXPECT_EQ(cache.find(key, Slots{0}).executable, compiled);
  EXPECT_EQ(entry->state(), CompileState::Compiled);
  EXPECT_EQ(cache.stats().bytes, before + 5000);
  EXPECT_EQ(cache.stats().compiledHits, 1u);
  entry->refuse("no backend");
  EXPECT_EQ(entry->refusal(), "no backend");
  EXPECT_STREQ(nameOf(entry->state()), "refused");
}

TEST(ExecutionCache, EvictsTheLeastRecentlyUsed) {
  int alive = 0;
  ExecutionCache cache(35000);
  auto add = [&](int64_t first) {
    return cache.insert(wordsFrom(first, 10), Slots{0}, std::make_shared<FakeExecutable>(10000, &alive), {.family = 7});
  };
  auto one = add(1);
  add(2);
  add(3);
  EXPECT_EQ(cache.familyShapes(7), 3u);
  EXPECT_TRUE(cache.find(wordsFrom(1, 10), Slots{0}));
  add(4);
  EXPECT_FALSE(cache.find(wordsFrom(2, 10), Slots{0}));
  EXPECT_TRUE(cache.find(wordsFrom(1, 10), Slots{0}));
  EXPECT_FALSE(one->isEvicted());
  EXPECT_EQ(alive, 3);
  EXPECT_EQ(cache.stats().evictions, 1u);
  EXPECT_LE(cache.stats().bytes, 35000u);
  EXPECT_EQ(cache.familyShapes(7), 3u);
  cache.install(*one, std::make_shared<FakeExecutable>(30000, &alive)); // growth evicts the others
  EXPECT_EQ(cache.stats().graphs, 1u);
  cache.clear();
  EXPECT_TRUE(one->isEvicted());
  EXPECT_EQ(cache.stats().bytes, 0u);
  EXPECT_EQ(cache.stats().graphs, 0u);
  EXPECT_EQ(cache.familyShapes(7), 0u);
  EXPECT_NE(one->executable(), nullptr);
  one.reset();
  EXPECT_EQ(alive, 0);
}

TEST(ExecutionCache, ThreadsFindInsertInstallAndEvict) {
  ExecutionCache cache(60000);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 500; ++i) {
        Words key = wordsFrom(i * (t + 1) % 23, 50);
        Lookup found = cache.find(key, Slots{1});
        if (!found)
          found.entry = cache.insert(key, Slots{1, 2}, fake(1000), {.family = static_cast<uint64_t>(1 + i % 3)});
        ASSERT_EQ(found.entry->key()[0], key[0]);
        ASSERT_NE(found.entry->executable(), nullptr);
        if (i % 5 == 0) cache.install(*found.entry, fake(3000));
        if (i % 97 == 0) cache.clear();
      }
    });
  for (std::thread &thread : threads) thread.join();
  cache.clear();
  EXPECT_EQ(cache.stats().bytes, 0u);
  EXPECT_EQ(cache.stats().entries, 0u);
}

} // namespace
