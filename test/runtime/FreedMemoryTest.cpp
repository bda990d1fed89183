// SPDX-License-Identifier: Apache-2.0
// Freed memory goes back to the system where there is enough of it.
#include "runtime/FreedMemory.h"
#include "gtest/gtest.h"
#include "runtime/Config.h"
#include <fstream>
#include <memory>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace tinyfin;

namespace {

/// A sanitizer has an allocator of its own, which keeps what is freed.
constexpr bool keepsFreed() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return true;
#elif defined(__has_feature)
  return __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
  return false;
#endif
}

size_t residentBytes() {
  size_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

/// 32 MiB in small pieces of a thread's own heap, freed but for the last, which keeps the heap from shrinking by itself.
std::unique_ptr<char[]> leaveFreed() {
  std::unique_ptr<char[]> last;
  std::thread([&] {
    std::vector<std::unique_ptr<char[]>> pieces;
    for (int i = 0; i < (32 << 10); ++i) pieces.push_back(std::make_unique<char[]>(1000));
    last = std::make_unique<char[]>(1000);
  }).join();
  return last;
}

} // namespace

TEST(FreedMemory, GoesBackToTheSystem) {
  if (keepsFreed()) GTEST_SKIP() << "a sanitizer's allocator keeps what is freed";
  auto last = leaveFreed();
  size_t before = residentBytes();
  EXPECT_TRUE(returnFreedMemory());
  EXPECT_LT(residentBytes() + (24 << 20), before);
}

TEST(FreedMemory, StaysWhereThereIsLittleOrTheSwitchIsOff) {
  if (keepsFreed()) GTEST_SKIP() << "a sanitizer's allocator keeps what is freed";
  auto last = leaveFreed();
  EXPECT_FALSE(returnFreedMemory(size_t(1) << 40));
  ASSERT_TRUE(Config::process().set("DISABLE", "return-freed").isOk());
  EXPECT_FALSE(returnFreedMemory());
  ASSERT_TRUE(Config::process().set("DISABLE", "").isOk());
  EXPECT_TRUE(returnFreedMemory());
}
