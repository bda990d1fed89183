// SPDX-License-Identifier: Apache-2.0
// The null backend: the interpreter's kernels on a device whose memory the host cannot touch.
#include "backends/Backend.h"
#include "backends/EagerLowering.h"
#include "backends/null/Launch.h"

using namespace mlir;

namespace tinyfin {
namespace {

class NullBackend final : public Backend {
public:
  const char *name() const override { return "null"; }
  Status probe() override { return memory().probe(); }
  Device &device() override { return memory(); }
  std::string target() override { return "null"; }
  bool wantsFusion() const override { return false; }

  StatusOr<std::shared_ptr<Executable>> compile(func::FuncOp main, const CompileOptions &) override {
    KernelListBuilder list(name());
    EagerLowering lowering(main, list);
    TINYFIN_RETURN_IF_ERROR(lowering.status());
    for (Operation &op : main.front()) TINYFIN_RETURN_IF_ERROR(lowering.addEager(&op, /*isInterpreted=*/false));
    lowering.finish();
    StatusOr<std::shared_ptr<Executable>> kernels = list.build();
    if (!kernels.isOk()) return kernels.status();
    return null::launchOn(memory(), std::move(kernels.value()));
  }

private:
  /// Made when first asked for: most processes never do. Never destroyed, as buffers may be released at exit.
  static null::NullDevice &memory() {
    static auto *device = new null::NullDevice;
    return *device;
  }
};

} // namespace

std::unique_ptr<Backend> makeNullBackend() { return std::make_unique<NullBackend>(); }

} // namespace tinyfin
