// SPDX-License-Identifier: Apache-2.0
#include "runtime/ThreadPool.h"
#include "runtime/Config.h"
#include "runtime/FloatMode.h"
#include <atomic>
#include <filesystem>
#include <gtest/gtest.h>
#include <mutex>
#include <sched.h>
#include <set>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace tinyfin;

namespace {

using Piece = std::pair<int64_t, int64_t>;

std::set<Piece> piecesOf(ThreadPool &pool, int64_t count, int64_t grain) {
  std::mutex mutex;
  std::set<Piece> pieces;
  pool.parallelFor(count, grain, [&](int64_t begin, int64_t end) {
    std::lock_guard lock(mutex);
    EXPECT_TRUE(pieces.emplace(begin, end).second) << "piece run twice: " << begin;
  });
  return pieces;
}

TEST(ThreadPool, PiecesDependOnCountAndGrainAlone) {
  ThreadPool one(1), four(4);
  for (int64_t count : {0, 1, 7, 8, 9, 1000})
    for (int64_t grain : {1, 3, 8, 2000}) {
      std::set<Piece> pieces = piecesOf(one, count, grain);
      EXPECT_EQ(pieces, piecesOf(four, count, grain)) << count << " by " << grain;
      int64_t at = 0;
      for (auto [begin, end] : pieces) {
        EXPECT_EQ(begin, at);
        EXPECT_LE(end - begin, grain);
        at = end;
      }
      EXPECT_EQ(at, count);
    }
}

TEST(ThreadPool, ManyRegionsLoseNoPiece) {
  ThreadPool pool(4);
  std::vector<int64_t> touched(257, 0);
  for (int region = 0; region < 2000; ++region)
    pool.parallelFor(touched.size(), 1 + region % 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) touched[i]++; // plain memory: the region's end must publish it
    });
  for (int64_t count : touched) EXPECT_EQ(count, 2000);
}

int threadsOfProcess() {
  int count = 0;
  for ([[maybe_unused]] const auto &task : std::filesystem::directory_iterator("/proc/self/task")) ++count;
  return count;
}

TEST(ThreadPool, RouseStartsWorkersThatMaySpin) {
  usleep(20'000); // threads that were joined are listed a moment longer
  const int before = threadsOfProcess();
  ASSERT_TRUE(Config::process().set("SPIN_MICROSECONDS", "0").isOk());
  ThreadPool sleepy(3);
  Config::process().reset();
  sleepy.rouse();
  EXPECT_EQ(threadsOfProcess(), before);
  ThreadPool one(1), three(3);
  one.rouse();
  EXPECT_EQ(threadsOfProcess(), before);
  for (int i = 0; i < 100; ++i) three.rouse();
  EXPECT_EQ(threadsOfProcess(), before + 2);
  std::atomic<int> inside{0};
  three.parallelFor(8, 1, [&](int64_t, int64_t) { three.rouse(), ++inside; });
  EXPECT_EQ(inside.load(), 8);
}

TEST(ThreadPool, WorksAfterWorkersSlept) {
  ASSERT_TRUE(Config::process().set("SPIN_MICROSECONDS", "0").isOk());
  ThreadPool pool(4);
  Config::process().reset();
  for (int region = 0; region < 200; ++region) {
    std::atomic<int64_t> sum{0};
    pool.parallelFor(64, 1, [&](int64_t begin, int64_t) { sum += begin; });
    EXPECT_EQ(sum, 63 * 64 / 2);
    if (region % 50 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

TEST(ThreadPool, OtherThreadsTakePart) {
  ThreadPool pool(4);
  std::mutex mutex;
  std::set<std::thread::id> threads;
  pool.parallelFor(64, 1, [&](int64_t, int64_t) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::lock_guard lock(mutex);
    threads.insert(std::this_thread::get_id());
  });
  EXPECT_GT(threads.size(), 1u);
  EXPECT_EQ(threads.count(std::this_thread::get_id()), 1u);
}

TEST(ThreadPool, IdleThreadsTakeFromTheSlowOne) {
  ThreadPool pool(4);
  std::mutex mutex;
  std::set<std::thread::id> early; // who ran pieces of the caller's own quarter
  pool.parallelFor(64, 1, [&](int64_t begin, int64_t) {
    if (begin >= 16) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::lock_guard lock(mutex);
    early.insert(std::this_thread::get_id());
  });
  EXPECT_GT(early.size(), 1u);
}

double cpuMilliseconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) * 1e-6;
}

/// What waiting costs a caller that shares its core with a worker, which computes for 20 ms; waiting is without sleep.
double waitingTime(const char *disabled) {
  Config &config = Config::process();
  EXPECT_TRUE(config.set("DISABLE", disabled).isOk() && config.set("SPIN_MICROSECONDS", "1000000").isOk());
  ThreadPool pool(2);
  config.reset();
  std::thread::id caller = std::this_thread::get_id();
  std::atomic<bool> isWorking = false;
  double begin = 0;
  pool.parallelFor(2, 1, [&](int64_t, int64_t) {
    if (std::this_thread::get_id() == caller) {
      while (!isWorking) sched_yield(); // until the other one has the other piece
      begin = cpuMilliseconds();
      return;
    }
    isWorking = true;
    for (double start = cpuMilliseconds(); cpuMilliseconds() < start + 20;) {}
  });
  return cpuMilliseconds() - begin;
}

TEST(ThreadPool, WaitingThreadsLeaveTheirCoreToWorkingOnes) {
  double yielding = 0, keeping = 0;
  std::thread([&] { // what it may run on is inherited by its pools alone
    cpu_set_t mask;
    ASSERT_EQ(sched_getaffinity(0, sizeof(mask), &mask), 0);
    int core = 0;
    while (!CPU_ISSET(core, &mask)) ++core;
    CPU_ZERO(&mask);
    CPU_SET(core, &mask);
    ASSERT_EQ(sched_setaffinity(0, sizeof(mask), &mask), 0);
    yielding = waitingTime("");
    keeping = waitingTime("yield-cores");
  }).join();
  EXPECT_LT(yielding, 5);
  EXPECT_GT(keeping, 8) << "of 20 and more";
}

/// Threads that take part in a region of a pool whose idle threads sleep at once, or never.
size_t threadsThatCome(const char *spin, bool wakes) {
  Config &config = Config::process();
  EXPECT_TRUE(config.set("SPIN_MICROSECONDS", spin).isOk());
  ThreadPool pool(4);
  config.reset();
  std::mutex mutex;
  std::set<std::thread::id> threads;
  auto body = [&](int64_t, int64_t) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    std::lock_guard lock(mutex);
    threads.insert(std::this_thread::get_id());
  };
  auto run = [&](bool wakesNow) {
    threads.clear();
    auto call = [](void *f, int64_t begin, int64_t end) { (*static_cast<decltype(body) *>(f))(begin, end); };
    pool.parallelFor(16, 1, call, &body, wakesNow);
    return threads.size();
  };
  EXPECT_EQ(run(false), 1u) << "before there are threads";
  run(true);
  std::this_thread::sleep_for(std::chrono::milliseconds(50)); // they sleep, or go on spinning
  return run(wakes);
}

TEST(ThreadPool, ShortRegionsWakeNobody) {
  EXPECT_EQ(threadsThatCome("0", false), 1u);
  EXPECT_GT(threadsThatCome("0", true), 1u);
  EXPECT_GT(threadsThatCome("10000000", false), 1u) << "of threads that are awake";
}

TEST(ThreadPool, PiecesRunInTheCallersFloatMode) {
  ThreadPool pool(4);
  uint32_t ordinary = floatMode();
  for (bool flushes : {true, false, true}) {
    FlushedDenormals mode(flushes);
    uint32_t wanted = floatMode();
    std::mutex mutex;
    std::set<std::thread::id> threads;
    pool.parallelFor(64, 1, [&](int64_t, int64_t) {
      std::this_thread::sleep_for(std::chrono::microseconds(200)); // others come in
      std::lock_guard lock(mutex);
      threads.insert(std::this_thread::get_id());
      EXPECT_EQ(floatMode(), wanted);
    });
    EXPECT_GT(threads.size(), 1u);
  }
  EXPECT_EQ(floatMode(), ordinary);
}

TEST(ThreadPool, NestedRegionsRunSerially) {
  ThreadPool pool(4);
  std::atomic<int64_t> total{0};
  pool.parallelFor(16, 1, [&](int64_t, int64_t) {
    std::thread::id self = std::this_thread::get_id();
    pool.parallelFor(10, 2, [&](int64_t begin, int64_t end) {
      EXPECT_EQ(std::this_thread::get_id(), self);
      total += end - begin;
    });
  });
  EXPECT_EQ(total, 160);
}

TEST(ThreadPool, SeveralCallersAtOnce) {
  ThreadPool pool(3);
  std::atomic<int64_t> total{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i)
    callers.emplace_back([&] {
      for (int region = 0; region < 300; ++region)
        pool.parallelFor(40, 1, [&](int64_t begin, int64_t end) { total += end - begin; });
    });
  for (std::thread &caller : callers) caller.join();
  EXPECT_EQ(total, 4 * 300 * 40);
}

TEST(ThreadPool, NumberOfThreadsFollowsTheSettings) {
  const char *inherited = getenv("OMP_NUM_THREADS");
  std::string before = inherited ? inherited : "";
  setenv("OMP_NUM_THREADS", "5,2", 1);
  ASSERT_TRUE(Config::process().set("NUM_THREADS", "0").isOk());
  EXPECT_EQ(ThreadPool::defaultThreads(), 5);
  ASSERT_TRUE(Config::process().set("NUM_THREADS", "3").isOk());
  EXPECT_EQ(ThreadPool::defaultThreads(), 3);
  ASSERT_TRUE(Config::process().set("NUM_THREADS", "0").isOk());
  unsetenv("OMP_NUM_THREADS");
  cpu_set_t mask;
  ASSERT_EQ(sched_getaffinity(0, sizeof(mask), &mask), 0);
  EXPECT_EQ(ThreadPool::defaultThreads(), CPU_COUNT(&mask));
  if (inherited) setenv("OMP_NUM_THREADS", before.c_str(), 1);
  Config::process().reset();
}

TEST(ThreadPool, SurvivesFork) {
#if defined(__SANITIZE_THREAD__) || (defined(__has_feature) && __has_feature(thread_sanitizer))
  GTEST_SKIP() << "the thread sanitizer refuses threads after a fork";
#endif
  auto sumTo = [](int64_t count) {
    std::atomic<int64_t> sum{0};
    ThreadPool::process().parallelFor(count, 1, [&](int64_t begin, int64_t) { sum += begin; });
    return sum.load();
  };
  ASSERT_EQ(sumTo(1000), 999 * 1000 / 2);
  pid_t child = fork();
  if (child == 0) {
    alarm(20); // a hang fails the test instead of stopping it
    _exit(sumTo(1000) == 999 * 1000 / 2 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(sumTo(1000), 999 * 1000 / 2);
}

} // namespace
