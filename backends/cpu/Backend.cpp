// SPDX-License-Identifier: Apache-2.0
// The CPU backend: claims the regions it can emit vector code for, compiles planned graphs.
#include "backends/Backend.h"
#include "backends/cpu/Contractions.h"
#include "backends/cpu/Emit.h"
#include "backends/cpu/KernelForge.h"
#include "backends/cpu/KernelSpec.h"
#include "backends/cpu/Lowering.h"
#include "backends/cpu/Split.h"
#include "ir/Claim.h"
#include "runtime/Buffer.h"
#include "runtime/Config.h"
#include <set>

using namespace mlir;

namespace tinyfin {
namespace {

class CpuClaim final : public fin::ClaimInterface {
public:
  using ClaimInterface::ClaimInterface;
  std::optional<std::string> refuse(Operation *op) const override {
    StatusOr<cpu::KernelSpec> spec = cpu::specOfFusion(llvm::cast<fin::FusionOp>(op));
    if (!spec.isOk()) return spec.status().message();
    std::optional<std::string> why = judge(op, spec.value());
    if (!why && early) addEarly(op, spec.value());
    return why;
  }

  bool compilesEarly() const override { return early != nullptr; }

  struct Early {
    std::shared_ptr<cpu::KernelForge> forge;
    std::set<Words> seen; // regions whose kernels are known to the forge
  };
  /// Set while a graph is compiled in this context, which one thread at a time has.
  mutable std::unique_ptr<Early> early;

private:
  /// The kernels that the region will have for certain (Lowering.cpp decides on products that may be generated whole).
  void addEarly(Operation *op, const cpu::KernelSpec &spec) const {
    bool isWhole = cpu::productOf(op) && cpu::prefersGenerated(op);
    if (isWhole || !early->seen.insert(spec.key()).second) return;
    if (cpu::productOf(op)) {
      SmallVector<uint32_t> inputs;
      early->forge->add(cpu::epilogueOf(spec, inputs));
    } else {
      for (cpu::KernelSpec &part : cpu::kernelsOf(spec)) early->forge->add(part);
    }
  }

  std::optional<std::string> judge(Operation *op, const cpu::KernelSpec &spec) const {
    std::string why;
    if (fin::MatmulOp product = cpu::productOf(op)) {
      if (!cpu::paysToFinish(product)) return "a product that its plan stores faster";
      // The product itself has a plan and a generated form; both finish it in the same way.
      SmallVector<uint32_t> inputs;
      cpu::Frozen nothing;
      StatusOr<CallStep> plan = cpu::tiledStep(product, nullptr, 1, nothing);
      why = plan.isOk() ? cpu::whyRefused(cpu::epilogueOf(spec, inputs), cpu::Machine::host()) : plan.status().message();
    } else {
      why = cpu::whyRefused(spec, cpu::Machine::host());
    }
    return why.empty() ? std::nullopt : std::optional(why);
  }
  bool finishes(Operation *product) const override {
    auto matmul = llvm::dyn_cast<fin::MatmulOp>(product);
    return !matmul || cpu::paysToFinish(matmul);
  }
};

constexpr size_t kManyOps = 1000; // whose passes take so long that compilers have the time to get ready

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
  std::shared_ptr<void> begin(MLIRContext &context, size_t ops, const CompileOptions &options) override {
    const CpuClaim *claim = claimIn(context);
    if (!claim || !options.libraries || options.autotune || config::isDisabled("early-kernels")) return nullptr;
    claim->early = std::make_unique<CpuClaim::Early>(std::make_shared<cpu::KernelForge>(compileThreads()));
    if (ops >= kManyOps && !config::isDisabled("warm-compilers")) claim->early->forge->warm();
    return {const_cast<CpuClaim *>(claim), [](CpuClaim *begun) { begun->early.reset(); }};
  }
  StatusOr<std::shared_ptr<Executable>> compile(func::FuncOp main, const CompileOptions &options) override {
    const CpuClaim *claim = claimIn(*main.getContext());
    bool isBegun = claim && claim->early;
    std::shared_ptr<cpu::KernelForge> forge = isBegun ? claim->early->forge : std::make_shared<cpu::KernelForge>(compileThreads());
    return cpu::lowerToKernels(main, options, *forge);
  }

private:
  static int compileThreads() {
    int64_t threads = config::compileThreads();
    return threads ? static_cast<int>(threads) : ThreadPool::process().threads();
  }
  static const CpuClaim *claimIn(MLIRContext &context) {
    auto *dialect = context.getLoadedDialect<fin::FinDialect>();
    return static_cast<const CpuClaim *>(dialect->getRegisteredInterface<fin::ClaimInterface>());
  }
};

} // namespace

std::unique_ptr<Backend> makeCpuBackend() { return std::make_unique<CpuBackend>(); }

} // namespace tinyfin
