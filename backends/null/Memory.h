// SPDX-License-Identifier: Apache-2.0
// The null device's memory. Each byte has two addresses: the device's, which is what buffers hold and where nothing can
// be read or written, and the host's, a fixed distance away, which only launches and copies use.
#pragma once
#include "runtime/Buffer.h"
#include <map>
#include <mutex>

namespace tinyfin::null {

class NullDevice final : public Device {
public:
  NullDevice();
  ~NullDevice() override;
  const char *name() const override { return "null"; }
  bool isHostAccessible() const override { return false; }
  /// Unavailable where the address space could not be reserved.
  Status probe() const;

  Status copyToHost(void *host, const Buffer &buffer, size_t bytes) override;
  Status copyFromHost(Buffer &buffer, const void *host, size_t bytes) override;
  /// Where a launch finds what a buffer calls `address`; null if that is no address of this device.
  void *resolve(void *address) const;

  static constexpr size_t kBytes = size_t{1} << 36;

private:
  void *allocateMemory(size_t bytes) override;
  void freeMemory(void *memory, size_t bytes) override;

  std::byte *window = nullptr; // PROT_NONE for good
  std::byte *memory = nullptr;
  std::mutex mutex;                             // guards the two below
  size_t used = 0;                              // bytes from the start that were ever handed out
  std::multimap<size_t, std::byte *> freeBlocks; // by size: the pool above asks for few sizes
};

} // namespace tinyfin::null
