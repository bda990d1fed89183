// SPDX-License-Identifier: Apache-2.0
// The CPU backend: claims the regions it can emit vector code for, compiles planned graphs.
#include "backends/Backend.h"
#include "backends/cpu/Contractions.h"
#include "backends/cpu/Emit.h"
#include "backends/cpu/KernelSpec.h"
#include "backends/cpu/Lowering.h"
#include "ir/Claim.h"
#include "runtime/Buffer.h"

using namespace mlir;

namespace tinyfin {
namespace {

class CpuClaim final : public fin::ClaimInterface {
public:
  using ClaimInterface::ClaimInterface;
  std::optional<std::string> refuse(Operation *op) const override {
    StatusOr<cpu::KernelSpec> spec = cpu::specOfFusion(llvm::cast<fin::FusionOp>(op));
    if (!spec.isOk()) return spec.status().message();
    std::string why;
    if (fin::MatmulOp product = cpu::productOf(op)) {
      if (!cpu::paysToFinish(product)) return "a product that its plan stores faster";
      // The product itself has a plan and a generated form; both finish it in the same way.
      SmallVector<uint32_t> inputs;
      cpu::Frozen nothing;
      StatusOr<CallStep> plan = cpu::tiledStep(product, nullptr, 1, nothing);
      why = plan.isOk() ? cpu::whyRefused(cpu::epilogueOf(spec.value(), inputs), cpu::Machine::host()) : plan.status().message();
    } else {
      why = cpu::whyRefused(spec.value(), cpu::Machine::host());
    }
    return why.empty() ? std::nullopt : std::optional(why);
  }
};

class CpuBackend final : public Backend {
public:
  const char *name() const override { return "cpu"; }
  Status probe() override { return Status::ok(); }
  Device &device() override { return Device::cpu(); }
  std::string target() override { return "cpu-" + cpu::Machine::host().name(); }
  bool wantsFusion() const override { return true; }
  llvm::ArrayRef<const char *> wholeComposites(const CompileOptions &options) const override {
    static constexpr const char *whole[] = {"attention", "attention_grad", "packed_attention", "packed_attention_grad"};
    return options.libraries ? llvm::ArrayRef<const char *>(whole) : llvm::ArrayRef<const char *>();
  }
  bool wantsChannelsLast() const override { return true; }
  void registerPasses() override { cpu::registerCpuPasses(); }
  void extendDialects(DialectRegistry &registry) override {
    registry.addExtension(+[](MLIRContext *, fin::FinDialect *dialect) { dialect->addInterfaces<CpuClaim>(); });
  }
  StatusOr<std::shared_ptr<Executable>> compile(func::FuncOp main, const CompileOptions &options) override {
    return cpu::lowerToKernels(main, options);
  }
};

} // namespace

std::unique_ptr<Backend> makeCpuBackend() { return std::make_unique<CpuBackend>(); }

} // namespace tinyfin
