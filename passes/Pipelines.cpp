// SPDX-License-Identifier: Apache-2.0
// The order of the passes, with the reason where it is not obvious.
#include "passes/Pipelines.h"
#include "llvm/ADT/StringExtras.h"
#include "mlir/Pass/PassRegistry.h"
#include "passes/Passes.h"

using namespace mlir;

namespace tinyfin::fin {
namespace {

/// Adds passes to the functions of a module, except those switched off by their stem.
class Phase {
public:
  Phase(OpPassManager &pm, const PipelineSettings &settings) : functions(pm.nest<func::FuncOp>()), settings(settings) {}

  Phase &add(std::unique_ptr<Pass> pass) {
    StringRef stem = pass->getArgument();
    stem.consume_front("fin-");
    SmallVector<StringRef> disabled;
    StringRef(settings.disabled).split(disabled, ',');
    if (llvm::none_of(disabled, [&](StringRef name) { return name.trim() == stem; })) addRequired(std::move(pass));
    return *this;
  }
  /// Passes without which no backend can compile.
  Phase &addRequired(std::unique_ptr<Pass> pass) { return functions.addPass(std::move(pass)), *this; }

private:
  OpPassManager &functions;
  const PipelineSettings &settings;
};

} // namespace

void buildPlan(OpPassManager &pm, const PipelineSettings &settings) {
  // Donation is settled first: what an output takes from an input needs no arena.
  Phase(pm, settings).add(createAliasOutputsPass()).addRequired(createPlanMemoryPass());
}

void buildInterpret(OpPassManager &pm, const PipelineSettings &settings) {
  Phase(pm, settings).add(createEraseDeadPass()).add(createAliasOutputsPass()).addRequired(createPlanMemoryPass());
}

void registerPipelines(const PipelineSettings &settings) {
  registerFinPasses();
  static PassPipelineRegistration<> plan("fin-plan", "share memory between outputs and inputs, lay out the arena",
                                         [settings](OpPassManager &pm) { buildPlan(pm, settings); });
  static PassPipelineRegistration<> interpret("fin-interpret", "what the interpreter needs: erase dead ops, plan",
                                              [settings](OpPassManager &pm) { buildInterpret(pm, settings); });
}

} // namespace tinyfin::fin
