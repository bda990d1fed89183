// SPDX-License-Identifier: Apache-2.0
// Memory that is new from the system has its pages, and is zeros, after all threads touched it.
#include "runtime/FirstTouch.h"
#include "gtest/gtest.h"
#include "runtime/Buffer.h"
#include "runtime/Config.h"
#include "runtime/HugePages.h"
#include "runtime/KernelList.h"
#include <algorithm>
#include <sys/mman.h>
#include <vector>

using namespace tinyfin;

namespace {

constexpr size_t kSmallPage = 4096;

size_t residentPages(void *memory, size_t bytes) {
  std::vector<unsigned char> isResident((bytes + kSmallPage - 1) / kSmallPage);
  EXPECT_EQ(mincore(memory, bytes, isResident.data()), 0);
  return std::count_if(isResident.begin(), isResident.end(), [](unsigned char page) { return page & 1; });
}

BufferRef newBlock(size_t bytes) {
  Device::cpu().trim(); // nothing to be used again
  return std::move(Device::cpu().allocate(bytes).value());
}

std::span<std::byte> bytesOf(const BufferRef &buffer) { return {static_cast<std::byte *>(buffer->data()), buffer->size()}; }

} // namespace

TEST(FirstTouch, GivesEveryPageToZeros) {
  constexpr size_t kBytes = 5 * kHugePage + 3 * kSmallPage;
  BufferRef block = newBlock(kBytes);
  ASSERT_TRUE(block->isNew());
  EXPECT_EQ(residentPages(block->data(), kBytes), 0u);
  ThreadPool pool(3);
  touchFirst(bytesOf(block), pool);
  EXPECT_EQ(residentPages(block->data(), kBytes), (kBytes + kSmallPage - 1) / kSmallPage);
  EXPECT_TRUE(std::ranges::all_of(bytesOf(block), [](std::byte byte) { return byte == std::byte(0); }));
}

TEST(FirstTouch, DoesNothingWhereItIsDisabled) {
  BufferRef block = newBlock(3 * kHugePage);
  ASSERT_TRUE(Config::process().set("DISABLE", "first-touch").isOk());
  touchFirst(bytesOf(block), ThreadPool::process());
  ASSERT_TRUE(Config::process().set("DISABLE", "").isOk());
  EXPECT_EQ(residentPages(block->data(), block->size()), 0u);
}

TEST(FirstTouch, ABlockIsNewOnce) {
  { EXPECT_TRUE(newBlock(3 * kHugePage)->isNew()); }
  EXPECT_FALSE(Device::cpu().allocate(3 * kHugePage).value()->isNew());
  EXPECT_FALSE(Device::cpu().allocate(1000).value()->isNew()) << "the C library's may have been used";
  std::byte ours[64];
  EXPECT_FALSE(Device::cpu().adoptForeign(ours, sizeof ours, {})->isNew());
}

// The list has no step, so that whatever pages its arena has are no kernel's.
TEST(FirstTouch, ALargeNewArenaIsTouchedAndASmallOneIsNot) {
  auto residentAfterRun = [](size_t arena) {
    Device::cpu().trim();
    KernelListBuilder list("cpu");
    list.setArenaBytes(arena);
    EXPECT_TRUE(list.build().value()->run({}, {}).isOk());
    BufferRef used = std::move(Device::cpu().allocate(arena + 64).value()); // the pool gives it again
    EXPECT_FALSE(used->isNew());
    return residentPages(used->data(), arena);
  };
  EXPECT_EQ(residentAfterRun(40 * kHugePage), 40 * kHugePage / kSmallPage);
  EXPECT_LT(residentAfterRun(4 * kHugePage), 4 * kHugePage / kSmallPage);
  ASSERT_TRUE(Config::process().set("DISABLE", "first-touch").isOk());
  EXPECT_LT(residentAfterRun(40 * kHugePage), 40 * kHugePage / kSmallPage);
  ASSERT_TRUE(Config::process().set("DISABLE", "").isOk());
}
