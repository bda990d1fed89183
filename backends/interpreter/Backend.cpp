// SPDX-License-Identifier: Apache-2.0
// The interpreter: every op by its eager kernel, in program order. It defines what all other backends must compute.
#include "backends/Backend.h"
#include "backends/EagerLowering.h"

using namespace mlir;

namespace tinyfin {
namespace {

class InterpreterBackend final : public Backend {
public:
  const char *name() const override { return "interpreter"; }
  Status probe() override { return Status::ok(); }
  Device &device() override { return Device::cpu(); }
  std::string target() override { return "interpreter"; }
  bool wantsFusion() const override { return false; }

  StatusOr<std::shared_ptr<Executable>> compile(func::FuncOp main, const CompileOptions &) override {
    KernelListBuilder list(name());
    EagerLowering lowering(main, list);
    TINYFIN_RETURN_IF_ERROR(lowering.status());
    for (Operation &op : main.front()) TINYFIN_RETURN_IF_ERROR(lowering.addEager(&op, /*isInterpreted=*/true));
    lowering.finish();
    return list.build();
  }
};

} // namespace

std::unique_ptr<Backend> makeInterpreterBackend() { return std::make_unique<InterpreterBackend>(); }

} // namespace tinyfin
