// SPDX-License-Identifier: Apache-2.0
#include "runtime/Buffer.h"
#include "runtime/Config.h"
#include <cstring>
#include <gtest/gtest.h>
#include <thread>
#include <vector>

using namespace tinyfin;

namespace {

BufferRef allocate(size_t bytes, Device &device = Device::cpu()) {
  StatusOr<BufferRef> buffer = device.allocate(bytes);
  EXPECT_TRUE(buffer.isOk()) << buffer.status().message();
  return buffer.value();
}

/// Counts what is asked of the system and can run out of memory.
class CountingDevice : public Device {
public:
  ~CountingDevice() override {
    trim();
    EXPECT_EQ(held, 0u);
  }
  const char *name() const override { return "counting"; }
  size_t limit = SIZE_MAX, held = 0;
  int calls = 0;

private:
  void *allocateMemory(size_t bytes) override {
    if (held + bytes > limit) return nullptr;
    ++calls;
    held += bytes;
    return std::aligned_alloc(64, bytes);
  }
  void freeMemory(void *memory, size_t bytes) override {
    held -= bytes;
    std::free(memory);
  }
};

TEST(Buffer, IsAlignedAndWritableAtEverySize) {
  for (size_t bytes :
       {0, 1, 63, 64, 65, 255, 257, 320, 321, 4000, 65537, 1 << 20, (2 << 20) - 1, 2 << 20, (5 << 20) + 3}) {
    BufferRef buffer = allocate(bytes);
    EXPECT_EQ(buffer->size(), bytes);
    ASSERT_NE(buffer->data(), nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer->data()) % 64, 0u);
    std::memset(buffer->data(), 0xab, bytes);
    EXPECT_TRUE(buffer->ready().isReady());
  }
}

TEST(Buffer, SteadyStateAsksTheSystemForNothing) {
  Device &device = Device::cpu();
  const std::vector<size_t> sizes = {4, 100, 4096, 70000, 3 << 20, 40};
  auto step = [&] {
    std::vector<BufferRef> held;
    for (size_t bytes : sizes) held.push_back(allocate(bytes));
  };
  step();
  MemoryStats before = device.memoryStats();
  for (int i = 0; i < 100; ++i) step();
  MemoryStats after = device.memoryStats();
  EXPECT_EQ(after.systemAllocations, before.systemAllocations);
  EXPECT_EQ(after.allocations, before.allocations + 100 * sizes.size());
  EXPECT_EQ(after.liveBytes, before.liveBytes);
}

TEST(Buffer, ReferencesAreCounted) {
  CountingDevice device;
  BufferRef first = allocate(100, device);
  EXPECT_TRUE(first->isSoleReference());
  BufferRef second = first;
  EXPECT_FALSE(first->isSoleReference());
  second = BufferRef();
  EXPECT_TRUE(first->isSoleReference());
  EXPECT_EQ(device.memoryStats().liveBytes, 100u);
  void *memory = first->data();
  first = BufferRef();
  EXPECT_EQ(device.memoryStats().liveBytes, 0u);
  EXPECT_EQ(device.memoryStats().pooledBytes, 128u);
  EXPECT_EQ(allocate(120, device)->data(), memory);
}

TEST(Buffer, PeakFollowsLiveBytes) {
  CountingDevice device;
  BufferRef kept = allocate(1000, device);
  allocate(5000, device);
  EXPECT_EQ(device.memoryStats().peakBytes, 6000u);
  device.resetPeak();
  EXPECT_EQ(device.memoryStats().peakBytes, 1000u);
}

TEST(Buffer, PoolIsBoundedBySetting) {
  ASSERT_TRUE(Config::process().set("POOL_BYTES", "4096").isOk());
  CountingDevice device;
  std::vector<BufferRef> held;
  for (int i = 0; i < 10; ++i) held.push_back(allocate(1024, device));
  held.clear();
  Config::process().reset();
  EXPECT_EQ(device.memoryStats().pooledBytes, 4096u);
  EXPECT_EQ(device.held, 4096u);
}

TEST(Buffer, OutOfMemoryNamesTheBytesAndTrimsFirst) {
  CountingDevice device;
  device.limit = 4096;
  allocate(2048, device); // goes to the pool
  BufferRef buffer = allocate(4096, device);
  EXPECT_EQ(device.memoryStats().pooledBytes, 0u);
  StatusOr<BufferRef> failed = device.allocate(100);
  EXPECT_EQ(failed.status().code(), StatusCode::OutOfMemory);
  EXPECT_EQ(failed.status().message(), "out of memory: counting was asked for 100 bytes, 4096 are in use");
  EXPECT_EQ(Device::cpu().allocate(SIZE_MAX - 5).status().code(), StatusCode::OutOfMemory);
  EXPECT_EQ(Device::cpu().allocate(size_t{1} << 46).status().code(), StatusCode::OutOfMemory);
}

TEST(Buffer, ByteSizeChecksOverflow) {
  EXPECT_EQ(byteSize(std::vector<int64_t>{3, 4}, DType::F64).value(), 96u);
  EXPECT_EQ(byteSize({}, DType::BF16).value(), 2u);
  int64_t huge = int64_t{1} << 40;
  EXPECT_EQ(byteSize(std::vector<int64_t>{huge, huge, 0}, DType::F32).value(), 0u);
  EXPECT_EQ(byteSize(std::vector<int64_t>{huge, huge}, DType::F32).status().code(), StatusCode::OutOfMemory);
  EXPECT_EQ(byteSize(std::vector<int64_t>{-1}, DType::F32).status().code(), StatusCode::InvalidArgument);
}

TEST(Buffer, ForeignMemoryIsReleasedOnce) {
  int released = 0;
  std::vector<float> memory(10);
  {
    BufferRef buffer = Device::cpu().adoptForeign(memory.data(), 40, [&] { ++released; });
    BufferRef other = buffer;
    EXPECT_EQ(buffer->data(), memory.data());
    EXPECT_EQ(buffer->size(), 40u);
    EXPECT_EQ(released, 0);
  }
  EXPECT_EQ(released, 1);
  Device::cpu().adoptForeign(memory.data(), 40, nullptr);
  EXPECT_EQ(allocate(40)->size(), 40u);
  EXPECT_EQ(released, 1);
}

TEST(Buffer, CopiesStayInside) {
  BufferRef buffer = allocate(16);
  int32_t in[4] = {1, 2, 3, 4}, out[4] = {};
  ASSERT_TRUE(Device::cpu().copyFromHost(*buffer.get(), in, 16).isOk());
  ASSERT_TRUE(Device::cpu().copyToHost(out, *buffer.get(), 16).isOk());
  EXPECT_EQ(out[3], 4);
  EXPECT_FALSE(Device::cpu().copyToHost(out, *buffer.get(), 17).isOk());
}

TEST(Buffer, ThreadsShareThePool) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([t] {
      for (int i = 0; i < 500; ++i) {
        BufferRef buffer = allocate(64 + (i * 37 + t) % 4096);
        std::memset(buffer->data(), t, buffer->size());
        BufferRef copy = buffer;
        EXPECT_EQ(static_cast<char *>(copy->data())[0], t);
      }
    });
  for (std::thread &thread : threads) thread.join();
}

} // namespace
