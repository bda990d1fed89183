// SPDX-License-Identifier: Apache-2.0
// A launch: device addresses become addresses that kernels can use, and only they do.
#include "backends/null/Launch.h"
#include "llvm/ADT/SmallVector.h"

namespace tinyfin::null {
namespace {

class NullExecutable final : public Executable {
public:
  NullExecutable(NullDevice &memory, std::shared_ptr<Executable> wrapped) : memory(memory), kernels(std::move(wrapped)) {
    inputs = kernels->inputs;
    outputs = kernels->outputs;
    donations = kernels->donations;
    stats = kernels->stats;
    device = &memory;
  }

  Status run(std::span<void *const> in, std::span<void *const> out) override {
    llvm::SmallVector<void *, 64> addresses;
    for (auto side : {in, out})
      for (void *address : side) {
        addresses.push_back(memory.resolve(address));
        if (addresses.back()) continue;
        size_t at = addresses.size() - 1;
        return Status::error(StatusCode::Internal, (at < in.size() ? "input " + std::to_string(at) : "output " + std::to_string(at - in.size())) +
                                                       " is not in the null device's memory");
      }
    std::span<void *const> all(addresses.data(), addresses.size());
    return kernels->run(all.first(in.size()), all.subspan(in.size()));
  }
  const char *backend() const override { return "null"; }

private:
  NullDevice &memory;
  std::shared_ptr<Executable> kernels;
};

} // namespace

std::shared_ptr<Executable> launchOn(NullDevice &device, std::shared_ptr<Executable> kernels) {
  return std::make_shared<NullExecutable>(device, std::move(kernels));
}

} // namespace tinyfin::null
