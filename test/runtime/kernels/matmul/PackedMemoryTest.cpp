// SPDX-License-Identifier: Apache-2.0
#include "runtime/Config.h"
#include "runtime/kernels/matmul/PackedMemory.h"
#include <cstdint>
#include <cstring>
#include <gtest/gtest.h>
#include <string>

namespace tinyfin::test {
namespace {

std::shared_ptr<char> parts(size_t bytes) {
  auto memory = packedMemory(bytes);
  EXPECT_TRUE(memory.isOk());
  return std::static_pointer_cast<char>(memory.value());
}

TEST(PackedMemory, PartsOfABlockLieSideBySide) {
  Config &config = Config::process();
  const std::string before = config.text(Setting::disable);
  constexpr size_t bytes = 600000; // a multiple of 64
  for (bool isOff : {false, true}) {
    ASSERT_TRUE(config.set("DISABLE", isOff ? "share-packed" : "").isOk());
    auto first = parts(bytes), second = parts(bytes), third = parts(bytes);
    ASSERT_TRUE(first && second && third);
    for (auto &part : {first, second, third}) EXPECT_EQ(reinterpret_cast<uintptr_t>(part.get()) % 64, 0u);
    // One of the three may have begun a new block.
    const bool sideBySide = second.get() - first.get() == bytes || third.get() - second.get() == bytes;
    EXPECT_EQ(sideBySide, !isOff);
  }
  ASSERT_TRUE(config.set("DISABLE", before).isOk());
}

TEST(PackedMemory, PartsOutliveTheOthers) {
  auto fill = [](int value) {
    auto part = parts(5 << 20);
    std::memset(part.get(), value, 5 << 20);
    return part;
  };
  auto first = fill(1);
  for (int i = 0; i < 20; ++i) fill(2);
  auto last = fill(3), large = parts(40 << 20), small = parts(1);
  ASSERT_TRUE(large && small);
  std::memset(large.get(), 4, 40 << 20);
  for (size_t i = 0; i < 5 << 20; i += 4096) {
    ASSERT_EQ(static_cast<int>(first.get()[i]), 1);
    ASSERT_EQ(static_cast<int>(last.get()[i]), 3);
  }
}

} // namespace
} // namespace tinyfin::test
