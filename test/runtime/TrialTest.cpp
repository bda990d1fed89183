// SPDX-License-Identifier: Apache-2.0
// Which form of a graph is the faster one, from made-up times.
#include "runtime/Config.h"
#include "runtime/ExecutionCache.h"
#include <gtest/gtest.h>

using namespace tinyfin;
using Side = Trial::Side;
using Verdict = Trial::Verdict;

namespace {

/// Runs whoever is next with these times; returns who ran, as a string of C and I.
std::string run(Trial &trial, int runs, double compiled, double interpreted, bool hasInterpreted = true) {
  std::string who;
  for (int i = 0; i < runs && trial.verdict() == Verdict::Open; ++i) {
    Side side = trial.next(hasInterpreted);
    trial.note(side, side == Side::Compiled ? compiled : interpreted, true);
    who += side == Side::Compiled ? 'C' : 'I';
  }
  return who;
}
Trial interpretedBefore(std::initializer_list<double> times) {
  Trial trial;
  for (double time : times) trial.note(Side::Interpreted, time, false);
  EXPECT_EQ(trial.verdict(), Verdict::Open);
  return trial;
}

TEST(Trial, FasterCompiledCodeIsWatchedAlone) {
  Trial trial = interpretedBefore({9000, 3000});
  EXPECT_EQ(run(trial, 20, 1000, 3000), "CCC");
  EXPECT_EQ(trial.verdict(), Verdict::Compiled);
  EXPECT_EQ(trial.describe(), "compiled 1000 us, interpreted 3000 us");
}
TEST(Trial, ShortGraphsAreNotCompared) {
  Trial trial = interpretedBefore({10, 10});
  EXPECT_EQ(run(trial, 20, 100, 10), "CCC");
  EXPECT_EQ(trial.verdict(), Verdict::Compiled);
}
TEST(Trial, SlowerCompiledCodeLosesAfterAlternatingRuns) {
  Trial trial = interpretedBefore({1000, 1000});
  EXPECT_EQ(run(trial, 20, 3000, 1000), "CCCICICIC");
  EXPECT_EQ(trial.verdict(), Verdict::Interpreted);
  EXPECT_EQ(trial.next(true), Side::Interpreted);
}
TEST(Trial, ALittleSlowerStays) {
  Trial trial = interpretedBefore({1000, 1000});
  run(trial, 20, 1050, 1000);
  EXPECT_EQ(trial.verdict(), Verdict::Compiled);
}
TEST(Trial, ADisturbedWatchIsMadeGood) {
  Trial trial = interpretedBefore({1000, 1000});
  run(trial, 3, 5000, 1000);
  EXPECT_EQ(trial.verdict(), Verdict::Open);
  EXPECT_EQ(run(trial, 20, 500, 1000), "ICICIC");
  EXPECT_EQ(trial.verdict(), Verdict::Compiled);
}
TEST(Trial, WithoutEarlierRunsTheInterpreterMakesTheSecond) {
  Trial trial;
  EXPECT_EQ(run(trial, 1, 3000, 0, false), "C");
  EXPECT_TRUE(trial.wantsInterpreted());
  EXPECT_EQ(run(trial, 20, 1000, 3500), "I");
  EXPECT_EQ(trial.verdict(), Verdict::Compiled);
}
TEST(Trial, AFirstRunThatLosesIsLookedAtAgain) {
  Trial trial;
  run(trial, 1, 3000, 0, false);
  EXPECT_EQ(run(trial, 20, 1000, 2500), "IICICIC");
  EXPECT_EQ(trial.verdict(), Verdict::Compiled);
}
TEST(Trial, NothingToCompareWith) {
  Trial trial;
  EXPECT_EQ(run(trial, 20, 1000, 0, false), "CCC");
  EXPECT_EQ(trial.verdict(), Verdict::Compiled);
}

struct Named : Executable {
  explicit Named(const char *name) : name(name) {}
  Status run(std::span<void *const>, std::span<void *const>) override { return Status::ok(); }
  const char *backend() const override { return name; }
  const char *name;
};

TEST(ExecutionCacheTrial, SlowerCompiledCodeIsDroppedAndSaysSo) {
  ExecutionCache cache(1 << 20);
  Words key{1, 2, 3};
  std::vector<uint32_t> slots{0};
  auto entry = cache.insert(key, slots, std::make_shared<Named>("interpreter"));
  for (int i = 0; i < 2; ++i) entry->note(Side::Interpreted, 1000);
  auto compiled = std::make_shared<Named>("slow");
  std::weak_ptr<Executable> alive = compiled;
  cache.install(*entry, std::move(compiled));
  for (int i = 0; i < 20 && entry->choose().isTimed; ++i) {
    CacheEntry::Choice choice = entry->choose();
    EXPECT_STREQ(choice.executable->backend(), choice.side == Side::Compiled ? "slow" : "interpreter");
    entry->note(choice.side, choice.side == Side::Compiled ? 2000 : 1000);
  }
  EXPECT_STREQ(entry->executable()->backend(), "interpreter");
  EXPECT_EQ(entry->state(), CompileState::Refused);
  EXPECT_EQ(entry->refusal(), "slower than the interpreter: compiled 2000 us, interpreted 1000 us");
  EXPECT_TRUE(alive.expired());
}

TEST(ExecutionCacheTrial, CanBeSwitchedOff) {
  for (const char *name : {"TINYFIN_NEVER_SLOWER", "TINYFIN_DETERMINISTIC"}) {
    std::string off = std::string_view(name) == "TINYFIN_DETERMINISTIC" ? "1" : "0", on = off == "1" ? "0" : "1";
    ASSERT_TRUE(Config::process().set(name, off).isOk());
    ExecutionCache cache(1 << 20);
    auto entry = cache.insert(Words{1}, std::vector<uint32_t>{0}, std::make_shared<Named>("interpreter"));
    EXPECT_FALSE(entry->choose().isTimed) << name;
    ASSERT_TRUE(Config::process().set(name, on).isOk());
  }
}

} // namespace
