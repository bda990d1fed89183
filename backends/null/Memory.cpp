// SPDX-License-Identifier: Apache-2.0
#include "backends/null/Memory.h"
#include <cstring>
#include <sys/mman.h>

namespace tinyfin::null {
namespace {

std::byte *reserve(int protection) {
  void *block = mmap(nullptr, NullDevice::kBytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return block == MAP_FAILED ? nullptr : static_cast<std::byte *>(block);
}

Status tooFar(const Buffer &buffer, size_t bytes) {
  return Status::error(StatusCode::Internal, "null: copy of " + std::to_string(bytes) + " bytes, the buffer has " +
                                                 std::to_string(buffer.size()));
}

} // namespace

NullDevice::NullDevice() : window(reserve(PROT_NONE)), memory(reserve(PROT_READ | PROT_WRITE)) {}

NullDevice::~NullDevice() {
  trim();
  if (window) munmap(window, kBytes);
  if (memory) munmap(memory, kBytes);
}

Status NullDevice::probe() const {
  if (window && memory) return Status::ok();
  return Status::error(StatusCode::Unavailable, "null: " + std::to_string(2 * kBytes >> 30) +
                                                    " GiB of address space could not be reserved");
}

void *NullDevice::resolve(void *address) const {
  auto distance = reinterpret_cast<uintptr_t>(address) - reinterpret_cast<uintptr_t>(window);
  return window && distance < kBytes ? memory + distance : nullptr;
}

Status NullDevice::copyToHost(void *host, const Buffer &buffer, size_t bytes) {
  if (bytes > buffer.size()) return tooFar(buffer, bytes);
  if (bytes) std::memcpy(host, resolve(buffer.data()), bytes);
  return Status::ok();
}

Status NullDevice::copyFromHost(Buffer &buffer, const void *host, size_t bytes) {
  if (bytes > buffer.size()) return tooFar(buffer, bytes);
  if (bytes) std::memcpy(resolve(buffer.data()), host, bytes);
  return Status::ok();
}

void *NullDevice::allocateMemory(size_t bytes) {
  std::lock_guard lock(mutex);
  if (auto found = freeBlocks.find(bytes); found != freeBlocks.end()) {
    std::byte *block = found->second;
    freeBlocks.erase(found);
    return block;
  }
  if (!window || !memory || bytes > kBytes - used) return nullptr;
  used += bytes;
  return window + (used - bytes);
}

void NullDevice::freeMemory(void *block, size_t bytes) {
  // Whole pages go back to the system; what is left of them reads as zeros or as it was.
  constexpr uintptr_t kPage = 4096;
  auto start = reinterpret_cast<uintptr_t>(resolve(block));
  uintptr_t first = (start + kPage - 1) & ~(kPage - 1), last = (start + bytes) & ~(kPage - 1);
  if (last > first) madvise(reinterpret_cast<void *>(first), last - first, MADV_DONTNEED);
  std::lock_guard lock(mutex);
  freeBlocks.emplace(bytes, static_cast<std::byte *>(block));
}

} // namespace tinyfin::null
