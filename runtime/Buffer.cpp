// SPDX-License-Identifier: Apache-2.0
// Buffers and the size-class pool that every device has. A freed Buffer keeps its memory and goes to its class's list,
// so that in a steady state a tensor costs a lock and a list operation, and nothing is asked of the system.
#include "runtime/Buffer.h"
#include "runtime/Fork.h"
#include "runtime/HugePages.h"
#include "runtime/Log.h"
#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <mutex>
#include <sys/mman.h>
#include <unistd.h>

namespace tinyfin {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kMaxBytes = size_t{1} << 47; // the address space of a process
constexpr int kNumClasses = 4 * 48;

/// Four classes an octave: 64, 128, 192, 256, 320, 384, 448, 512, 640, ...
int classOf(size_t bytes) {
  size_t units = (std::max<size_t>(bytes, 1) + kAlignment - 1) / kAlignment;
  if (units <= 4) return static_cast<int>(units) - 1;
  int shift = std::bit_width(units - 1) - 3; // units - 1 in [4 << shift, 8 << shift)
  return 4 * (shift + 1) + static_cast<int>((units - 1) >> shift) - 4;
}
size_t bytesOfClass(int index) {
  if (index < 4) return (index + 1) * kAlignment;
  int shift = index / 4 - 1;
  return (static_cast<size_t>(index % 4) + 5) * kAlignment << shift;
}

size_t poolLimit() {
  static const size_t quarterOfMemory =
      static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) / 4 * static_cast<size_t>(sysconf(_SC_PAGESIZE));
  int64_t bytes = config::poolBytes();
  return bytes >= 0 ? static_cast<size_t>(bytes) : quarterOfMemory;
}

} // namespace

struct Device::Pool {
  std::mutex mutex; // guards all below
  MemoryStats stats;
  Buffer *free[kNumClasses] = {}; // chained by Buffer::next, memory attached
  Buffer *bare = nullptr;         // Buffers without memory

  Buffer *pop(Buffer *&list) { return list ? std::exchange(list, list->next) : nullptr; }
  void push(Buffer *&list, Buffer *buffer) { buffer->next = std::exchange(list, buffer); }
  static Buffer *makeBuffer() { return new Buffer; }
  static void destroy(Buffer *buffer) { delete buffer; }

  void countAllocation(size_t bytes) {
    stats.allocations++;
    stats.liveBytes += bytes;
    stats.peakBytes = std::max(stats.peakBytes, stats.liveBytes);
  }
  Buffer *takeBare() {
    Buffer *buffer = pop(bare);
    return buffer ? buffer : makeBuffer();
  }
};

Device::Device() : pool(std::make_unique<Pool>()) {}

/// A derived class calls trim() in its destructor, while it can still free memory.
Device::~Device() {
  while (Buffer *buffer = pool->pop(pool->bare)) Pool::destroy(buffer);
}

StatusOr<BufferRef> Device::allocate(size_t bytes) {
  auto outOfMemory = [&](const MemoryStats &stats) {
    return Status::error(StatusCode::OutOfMemory, std::string("out of memory: ") + name() + " was asked for " +
                                                      std::to_string(bytes) + " bytes, " +
                                                      std::to_string(stats.liveBytes) + " are in use");
  };
  if (bytes > kMaxBytes) return outOfMemory(memoryStats());
  int index = classOf(bytes);
  {
    std::lock_guard lock(pool->mutex);
    if (Buffer *buffer = pool->pop(pool->free[index])) {
      pool->countAllocation(bytes);
      pool->stats.pooledBytes -= buffer->capacity;
      buffer->bytes = bytes;
      buffer->hasNewMemory = false;
      buffer->references.store(1, std::memory_order_relaxed);
      return BufferRef::adopt(buffer);
    }
  }
  size_t capacity = bytesOfClass(index);
  void *memory = allocateMemory(capacity);
  if (!memory) {
    trim(); // what the pool holds in other classes may be what is missing
    memory = allocateMemory(capacity);
  }
  if (!memory) return outOfMemory(memoryStats());
  prepareMemory(memory, bytes, capacity);
  if (isLogOn(LogChannel::Memory))
    logLine(LogChannel::Memory, std::string(name()) + ": " + std::to_string(capacity) + " bytes from the system");
  std::lock_guard lock(pool->mutex);
  pool->countAllocation(bytes);
  pool->stats.systemAllocations++;
  Buffer *buffer = pool->takeBare();
  buffer->references.store(1, std::memory_order_relaxed);
  buffer->memory = memory;
  buffer->bytes = bytes;
  buffer->capacity = capacity;
  buffer->hasNewMemory = givesZeros(capacity);
  buffer->owner = this;
  return BufferRef::adopt(buffer);
}

BufferRef Device::adoptForeign(void *memory, size_t bytes, std::function<void()> release) {
  std::lock_guard lock(pool->mutex);
  Buffer *buffer = pool->takeBare();
  buffer->references.store(1, std::memory_order_relaxed);
  buffer->memory = memory;
  buffer->bytes = bytes;
  buffer->capacity = 0;
  buffer->hasNewMemory = false;
  buffer->owner = this;
  buffer->releaseForeign = release ? std::move(release) : [] {};
  return BufferRef::adopt(buffer);
}

void Buffer::release() {
  if (references.fetch_sub(1, std::memory_order_acq_rel) == 1) owner->recycle(this);
}

void Device::recycle(Buffer *buffer) {
  void *surplus = nullptr;
  size_t surplusBytes = 0;
  if (buffer->releaseForeign) {
    std::exchange(buffer->releaseForeign, nullptr)(); // without the lock: it may release other buffers
    std::lock_guard lock(pool->mutex);
    return pool->push(pool->bare, buffer);
  }
  {
    std::lock_guard lock(pool->mutex);
    pool->stats.liveBytes -= buffer->bytes;
    if (pool->stats.pooledBytes + buffer->capacity <= poolLimit()) {
      pool->stats.pooledBytes += buffer->capacity;
      return pool->push(pool->free[classOf(buffer->capacity)], buffer);
    }
    surplus = buffer->memory;
    surplusBytes = buffer->capacity;
    pool->push(pool->bare, buffer);
  }
  freeMemory(surplus, surplusBytes);
}

MemoryStats Device::memoryStats() const {
  std::lock_guard lock(pool->mutex);
  return pool->stats;
}

void Device::resetPeak() {
  std::lock_guard lock(pool->mutex);
  pool->stats.peakBytes = pool->stats.liveBytes;
}

void Device::trim() {
  std::lock_guard lock(pool->mutex);
  for (Buffer *&list : pool->free)
    while (Buffer *buffer = pool->pop(list)) {
      pool->stats.pooledBytes -= buffer->capacity;
      freeMemory(buffer->memory, buffer->capacity);
      pool->push(pool->bare, buffer);
    }
}

StatusOr<size_t> byteSize(std::span<const int64_t> dims, DType dtype) {
  size_t bytes = sizeOf(dtype);
  bool isEmpty = false, overflows = false;
  for (int64_t dim : dims) {
    if (dim < 0)
      return Status::error(StatusCode::InvalidArgument, "dimension is " + std::to_string(dim) + ", wanted 0 or more");
    isEmpty |= dim == 0;
    overflows |= dim != 0 && __builtin_mul_overflow(bytes, static_cast<size_t>(dim), &bytes);
  }
  if (isEmpty) return size_t{0};
  if (!overflows && bytes <= kMaxBytes) return bytes;
  std::string shape;
  for (int64_t dim : dims) shape += (shape.empty() ? "" : ", ") + std::to_string(dim);
  return Status::error(StatusCode::OutOfMemory, "out of memory: shape [" + shape + "] of " + nameOf(dtype) +
                                                    " takes more bytes than a process can address");
}

Status Device::copyToHost(void *host, const Buffer &buffer, size_t bytes) {
  if (bytes > buffer.size())
    return Status::error(StatusCode::Internal, "copy of " + std::to_string(bytes) + " bytes from a buffer of " +
                                                   std::to_string(buffer.size()));
  if (bytes) std::memcpy(host, buffer.data(), bytes);
  return Status::ok();
}

Status Device::copyFromHost(Buffer &buffer, const void *host, size_t bytes) {
  if (bytes > buffer.size())
    return Status::error(StatusCode::Internal,
                         "copy of " + std::to_string(bytes) + " bytes to a buffer of " + std::to_string(buffer.size()));
  if (bytes) std::memcpy(buffer.data(), host, bytes);
  return Status::ok();
}

Status copyBetween(const Buffer &from, Buffer &to, size_t bytes) {
  if (from.device().isHostAccessible()) return to.device().copyFromHost(to, from.data(), bytes);
  if (to.device().isHostAccessible()) return from.device().copyToHost(to.data(), from, bytes);
  StatusOr<BufferRef> staging = Device::cpu().allocate(bytes);
  if (!staging.isOk()) return staging.status();
  TINYFIN_RETURN_IF_ERROR(from.device().copyToHost(staging.value()->data(), from, bytes));
  return to.device().copyFromHost(to, staging.value()->data(), bytes);
}

namespace {

/// Host memory: small blocks from the C library, large ones mapped on huge page boundaries.
class CpuDevice final : public Device {
public:
  ~CpuDevice() override { trim(); }
  const char *name() const override { return "cpu"; }

private:
  void *allocateMemory(size_t bytes) override {
    if (bytes < kHugePage) return std::aligned_alloc(kAlignment, bytes);
    size_t mapped = bytes + kHugePage;
    void *block = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) return nullptr;
    auto start = reinterpret_cast<uintptr_t>(block);
    uintptr_t aligned = (start + kHugePage - 1) & ~(kHugePage - 1);
    if (aligned > start) munmap(block, aligned - start);
    if (size_t tail = start + mapped - (aligned + bytes)) munmap(reinterpret_cast<void *>(aligned + bytes), tail);
    return reinterpret_cast<void *>(aligned);
  }
  void prepareMemory(void *memory, size_t used, size_t bytes) override {
    if (bytes >= kHugePage) adviseHugePages(memory, used, bytes);
  }
  void freeMemory(void *memory, size_t bytes) override {
    if (bytes < kHugePage)
      std::free(memory);
    else
      munmap(memory, bytes);
  }
  bool givesZeros(size_t bytes) const override { return bytes >= kHugePage; }
};

} // namespace

Device &Device::cpu() {
  static Device *device = [] {
    Device *created = new CpuDevice; // never destroyed: buffers may be released while the process ends
    holdAcrossFork(created->pool->mutex);
    return created;
  }();
  return *device;
}

} // namespace tinyfin
