// SPDX-License-Identifier: Apache-2.0
#include "runtime/CompileQueue.h"
#include <future>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace tinyfin;
using namespace std::chrono_literals;

namespace {

struct NamedExecutable : Executable {
  explicit NamedExecutable(std::string name) : name(std::move(name)) {}
  Status run(std::span<void *const>, std::span<void *const>) override { return Status::ok(); }
  const char *backend() const override { return name.c_str(); }
  std::string name;
};

using Slots = std::vector<uint32_t>;
StatusOr<std::shared_ptr<Executable>> compiled() {
  return std::shared_ptr<Executable>(std::make_shared<NamedExecutable>("compiled"));
}

struct CompileQueueTest : testing::Test {
  ExecutionCache cache{1 << 20};
  std::shared_ptr<CacheEntry> entry(int64_t key) {
    return cache.insert(Words{key}, Slots{0}, std::make_shared<NamedExecutable>("interpreted"));
  }
};

/// A job that waits until it is let go, so that tests can fill the queue behind it.
struct Gate {
  std::promise<void> opened, entered;
  CompileJob job() {
    return [this] {
      entered.set_value();
      opened.get_future().wait();
      return compiled();
    };
  }
};

TEST_F(CompileQueueTest, InstallsWhatWasCompiled) {
  CompileQueue queue(cache);
  auto one = entry(1);
  EXPECT_TRUE(queue.submit(one, compiled));
  EXPECT_TRUE(queue.waitIdle(10s));
  EXPECT_EQ(one->state(), CompileState::Compiled);
  EXPECT_STREQ(cache.find(Words{1}, Slots{0}).executable->backend(), "compiled");
  EXPECT_FALSE(queue.submit(one, compiled));
  EXPECT_EQ(queue.stats().compiled, 1u);
}

TEST_F(CompileQueueTest, FailureRefusesWithTheReason) {
  CompileQueue queue(cache);
  auto one = entry(1), two = entry(2);
  CompileJob failing = []() -> StatusOr<std::shared_ptr<Executable>> {
    return Status::error(StatusCode::Unsupported, "no kernel for fin.conv");
  };
  EXPECT_TRUE(queue.submit(one, failing));
  EXPECT_TRUE(queue.waitIdle(10s));
  EXPECT_EQ(one->state(), CompileState::Refused);
  EXPECT_EQ(one->refusal(), "no kernel for fin.conv");
  EXPECT_STREQ(one->executable()->backend(), "interpreted");
  EXPECT_FALSE(queue.submit(one, compiled));
  EXPECT_EQ(queue.compileNow(*two, failing).message(), "no kernel for fin.conv");
  EXPECT_EQ(two->state(), CompileState::Refused);
}

TEST_F(CompileQueueTest, NewestFirst) {
  CompileQueue queue(cache);
  Gate gate;
  std::vector<int> order;
  ASSERT_TRUE(queue.submit(entry(0), gate.job()));
  gate.entered.get_future().wait();
  for (int i = 1; i <= 3; ++i)
    ASSERT_TRUE(queue.submit(entry(i), [&order, i] { return order.push_back(i), compiled(); }));
  EXPECT_FALSE(queue.waitIdle(1ms));
  EXPECT_EQ(queue.stats().pending, 3u);
  gate.opened.set_value();
  EXPECT_TRUE(queue.waitIdle(10s));
  EXPECT_EQ(order, (std::vector<int>{3, 2, 1}));
}

TEST_F(CompileQueueTest, EvictedEntriesAreCancelled) {
  CompileQueue queue(cache);
  Gate gate;
  bool ran = false;
  ASSERT_TRUE(queue.submit(entry(0), gate.job()));
  gate.entered.get_future().wait();
  auto one = entry(1);
  ASSERT_TRUE(queue.submit(one, [&] { return ran = true, compiled(); }));
  cache.clear();
  gate.opened.set_value();
  EXPECT_TRUE(queue.waitIdle(10s));
  EXPECT_FALSE(ran);
  EXPECT_EQ(one->state(), CompileState::Interpreted);
  EXPECT_EQ(queue.stats().cancelled, 1u);
}

TEST_F(CompileQueueTest, BudgetDelaysAndDrainOverdraws) {
  CompileQueue queue(cache, {.creditSeconds = 0.01, .share = 0.001});
  ASSERT_TRUE(queue.submit(entry(1), [] { return std::this_thread::sleep_for(50ms), compiled(); }));
  EXPECT_TRUE(queue.waitIdle(10s));
  auto two = entry(2); // 40 ms over: allowed after 40 s
  ASSERT_TRUE(queue.submit(two, compiled));
  EXPECT_FALSE(queue.waitIdle(50ms));
  EXPECT_EQ(two->state(), CompileState::Queued);
  EXPECT_TRUE(queue.drain(10s));
  EXPECT_EQ(two->state(), CompileState::Compiled);
}

TEST_F(CompileQueueTest, CompileNowTakesWhatIsQueued) {
  CompileQueue queue(cache);
  Gate gate;
  int runs = 0;
  ASSERT_TRUE(queue.submit(entry(0), gate.job()));
  gate.entered.get_future().wait();
  auto one = entry(1);
  CompileJob job = [&] { return ++runs, compiled(); };
  ASSERT_TRUE(queue.submit(one, job));
  EXPECT_TRUE(queue.compileNow(*one, job).isOk());
  gate.opened.set_value();
  EXPECT_TRUE(queue.waitIdle(10s));
  EXPECT_EQ(runs, 1);
}

TEST_F(CompileQueueTest, ShutdownWaitsForTheJobAndCancelsTheRest) {
  CompileQueue queue(cache);
  Gate gate;
  auto one = entry(1), two = entry(2);
  ASSERT_TRUE(queue.submit(one, gate.job()));
  gate.entered.get_future().wait();
  ASSERT_TRUE(queue.submit(two, compiled));
  std::thread opener([&] {
    std::this_thread::sleep_for(20ms);
    gate.opened.set_value();
  });
  queue.shutdown();
  opener.join();
  EXPECT_EQ(one->state(), CompileState::Compiled);
  EXPECT_EQ(two->state(), CompileState::Interpreted);
  EXPECT_FALSE(queue.submit(entry(3), compiled));
  EXPECT_TRUE(queue.waitIdle(1s));
}

TEST_F(CompileQueueTest, ManySubmittersWhileLookupsRun) {
  CompileQueue queue(cache);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        Words key{i % 50};
        Lookup found = cache.find(key, Slots{0});
        if (!found) found.entry = cache.insert(key, Slots{0}, std::make_shared<NamedExecutable>("interpreted"));
        queue.submit(found.entry, compiled);
        if (t == 0 && i == 100) cache.clear();
      }
    });
  for (std::thread &thread : threads) thread.join();
  EXPECT_TRUE(queue.drain(10s));
  CompileQueueStats stats = queue.stats();
  EXPECT_EQ(stats.submitted, stats.compiled + stats.cancelled);
  EXPECT_GE(stats.compiled, 50u);
}

TEST(CompileQueueProcess, ChildOfAForkCompilesToo) {
#if defined(__SANITIZE_THREAD__) || (defined(__has_feature) && __has_feature(thread_sanitizer))
  GTEST_SKIP() << "the thread sanitizer refuses threads after a fork";
#endif
  auto compileOne = [](int64_t key) {
    auto entry = ExecutionCache::process().insert(Words{key}, Slots{0}, nullptr);
    return CompileQueue::process().submit(entry, compiled) && CompileQueue::process().waitIdle(10s) &&
           entry->state() == CompileState::Compiled;
  };
  ASSERT_TRUE(compileOne(1));
  pid_t child = fork();
  if (child == 0) {
    alarm(20); // a hang fails the test instead of stopping it
    bool works = compileOne(2);
    CompileQueue::process().shutdown();
    _exit(works ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_TRUE(compileOne(3));
}

} // namespace
