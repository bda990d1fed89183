// SPDX-License-Identifier: Apache-2.0
// Reference-counted memory of a device, and the device that hands it out from a pool.
#pragma once
#include "runtime/DType.h"
#include "runtime/Status.h"
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

namespace tinyfin {

class Device;

/// When the work that fills a buffer is done. The CPU's events are born ready.
struct Event {
  std::atomic<uint64_t> pending{0};
  bool isReady() const { return pending.load(std::memory_order_acquire) == 0; }
};

/// A block of device memory, 64-byte aligned, shared by reference count.
class Buffer {
public:
  void *data() const { return memory; }
  size_t size() const { return bytes; }
  Device &device() const { return *owner; }
  Event &ready() { return event; }
  bool isSoleReference() const { return references.load(std::memory_order_acquire) == 1; }
  /// Nobody had this memory before: it came from the system as zeros, which take no memory until they are touched.
  bool isNew() const { return hasNewMemory; }
  void retain() { references.fetch_add(1, std::memory_order_relaxed); }
  void release();

private:
  friend class Device;
  Buffer() = default;
  std::atomic<int64_t> references{1};
  void *memory = nullptr;
  size_t bytes = 0;
  size_t capacity = 0;
  bool hasNewMemory = false;
  Device *owner = nullptr;
  Buffer *next = nullptr; // in the pool's lists
  Event event;
  std::function<void()> releaseForeign; // memory that is someone else's: called once when the last reference goes
};

/// Owns one reference to a Buffer.
class BufferRef {
public:
  BufferRef() = default;
  static BufferRef adopt(Buffer *buffer) { return BufferRef(buffer); }
  BufferRef(const BufferRef &other) : buffer(other.buffer) { if (buffer) buffer->retain(); }
  BufferRef(BufferRef &&other) noexcept : buffer(std::exchange(other.buffer, nullptr)) {}
  BufferRef &operator=(BufferRef other) noexcept { return std::swap(buffer, other.buffer), *this; }
  ~BufferRef() { if (buffer) buffer->release(); }
  Buffer *get() const { return buffer; }
  Buffer *operator->() const { return buffer; }
  explicit operator bool() const { return buffer; }

private:
  explicit BufferRef(Buffer *buffer) : buffer(buffer) {}
  Buffer *buffer = nullptr;
};

struct MemoryStats {
  size_t liveBytes = 0, peakBytes = 0; // as asked for, without foreign memory
  size_t pooledBytes = 0;              // freed and kept for reuse
  uint64_t allocations = 0; // buffers handed out
  uint64_t systemAllocations = 0; // of these, how many the operating system was asked for
};

/// The bytes of a dense tensor; OutOfMemory if they overflow, InvalidArgument if a dimension is negative.
StatusOr<size_t> byteSize(std::span<const int64_t> dims, DType dtype);

/// Copies between buffers of any two devices, through the host unless one of them is its memory.
Status copyBetween(const Buffer &from, Buffer &to, size_t bytes);

/// Where memory lives. Freed blocks are kept by size class and reused; the pool's bytes are bounded by TINYFIN_POOL_BYTES.
class Device {
public:
  virtual ~Device();
  virtual const char *name() const = 0;
  /// Whether Buffer::data() may be dereferenced by the host; if not, data goes through the copies below.
  virtual bool isHostAccessible() const { return true; }
  /// A block of at least `bytes` (0 gives a valid empty buffer); OutOfMemory names the bytes asked for.
  StatusOr<BufferRef> allocate(size_t bytes);
  /// Memory owned elsewhere (NumPy, DLPack, a mapped file); `release` is called when the last reference goes.
  BufferRef adoptForeign(void *memory, size_t bytes, std::function<void()> release);
  MemoryStats memoryStats() const;
  void resetPeak();
  /// Gives pooled blocks back to the system.
  void trim();

  virtual Status copyToHost(void *host, const Buffer &buffer, size_t bytes);
  virtual Status copyFromHost(Buffer &buffer, const void *host, size_t bytes);

  static Device &cpu();

protected:
  Device();
  virtual void *allocateMemory(size_t bytes) = 0; // null when there is none
  /// New memory of `bytes`, before the first tensor of `used` bytes lies in it.
  virtual void prepareMemory(void *memory, size_t used, size_t bytes) { (void)memory, (void)used, (void)bytes; }
  virtual void freeMemory(void *memory, size_t bytes) = 0;
  /// Whether what allocateMemory gives for so many bytes is zeros that nobody has touched.
  virtual bool givesZeros(size_t bytes) const { return false; }

private:
  friend class Buffer;
  void recycle(Buffer *buffer);
  struct Pool;
  std::unique_ptr<Pool> pool;
};

} // namespace tinyfin
