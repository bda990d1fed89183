// SPDX-License-Identifier: Apache-2.0
// The order of the passes, with the reason where it is not obvious.
#include "passes/Pipelines.h"
#include "llvm/ADT/StringExtras.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/Passes.h"
#include "passes/Passes.h"

using namespace mlir;

namespace tinyfin::fin {
namespace {

bool isDisabled(const PipelineSettings &settings, StringRef stem) {
  SmallVector<StringRef> disabled;
  StringRef(settings.disabled).split(disabled, ',');
  return llvm::any_of(disabled, [&](StringRef name) { return name.trim() == stem; });
}

/// Adds passes to the functions of a module, except those switched off by their stem.
class Phase {
public:
  Phase(OpPassManager &pm, const PipelineSettings &settings) : functions(pm.nest<func::FuncOp>()), settings(settings) {}

  Phase &add(std::unique_ptr<Pass> pass) {
    StringRef stem = pass->getArgument();
    stem.consume_front("fin-");
    return isDisabled(settings, stem) ? *this : addRequired(std::move(pass));
  }
  /// Passes without which no backend can compile.
  Phase &addRequired(std::unique_ptr<Pass> pass) { return functions.addPass(std::move(pass)), *this; }

private:
  OpPassManager &functions;
  const PipelineSettings &settings;
};

std::unique_ptr<Pass> createCheck(const char *phase, const PipelineSettings &settings) {
  CheckContractPassOptions options;
  options.phase = phase;
  options.symbolic = settings.symbolic;
  return createCheckContractPass(options);
}

/// One sweep: what a rewrite touches is visited again in it anyhow. Functions have one block, so there is nothing to
/// simplify between blocks.
std::unique_ptr<Pass> createCanonicalize() {
  GreedyRewriteConfig config;
  return createCanonicalizerPass(config.setMaxIterations(1).setRegionSimplificationLevel(GreedySimplifyRegionLevel::Disabled));
}

/// What any rewriting leaves behind.
void cleanUp(Phase &phase) { phase.add(createCanonicalize()).add(createCsePass()); }

} // namespace

void buildOptimize(OpPassManager &pm, const PipelineSettings &settings) {
  FoldConstantsPassOptions fold;
  fold.limitBytes = settings.foldLimitBytes;
  DecomposePassOptions decompose;
  decompose.keep.assign(settings.keep.begin(), settings.keep.end());
  Phase phase(pm, settings);
  // Dead ops first: recorded graphs hold many, and no later pass should look at them.
  phase.add(createEraseDeadPass());
  // Composites are taken apart early, so that what a loss and its derivative share (the row's maximum, its sum of
  // exponentials) is found by CSE.
  phase.add(createDecomposePass(decompose));
  cleanUp(phase);
  phase.add(createSimplifyPass());
  phase.add(createFoldConstantsPass(fold));
  // Folding uncovers constants that patterns look for (where it found none, the second run is none), simplifying equal
  // expressions.
  phase.add(createSimplifyPass()).add(createCsePass());
  phase.addRequired(createCheck("optimize", settings));
}

void buildSpecialize(OpPassManager &pm, const PipelineSettings &settings) {
  SpecializeShapesPassOptions options;
  options.dims.assign(settings.dims.begin(), settings.dims.end());
  Phase phase(pm, settings);
  if (!settings.dims.empty()) {
    phase.addRequired(createSpecializeShapesPass(options));
    // Known sizes make more to fold: extents of 1, counts of elements.
    cleanUp(phase);
    phase.add(createSimplifyPass());
  }
  phase.addRequired(createCheck("specialize", settings));
}

void buildFuse(OpPassManager &pm, const PipelineSettings &settings) {
  FuseRegionsPassOptions regions;
  regions.contractions = settings.contractions && !isDisabled(settings, "fuse-contractions");
  regions.samples = !isDisabled(settings, "sample-regions");
  RecomputePassOptions recompute;
  recompute.budgetBytes = settings.keepBytes;
  Phase phase(pm, settings);
  // First of all: transposes that it leaves are fused like other ops.
  if (settings.channelsLast) phase.add(createChannelsLastPass()).add(createCsePass());
  // Before fusion, so that what is computed again becomes part of the kernel that reads it.
  phase.add(createRecomputePass(recompute)).add(createFuseRegionsPass(regions)).addRequired(createCheck("fuse", settings));
}

void buildPlan(OpPassManager &pm, const PipelineSettings &settings) {
  // Donation is settled first: what an output takes from an input needs no arena.
  PlanMemoryPassOptions memory;
  memory.symbolic = settings.symbolic;
  memory.overwriteRows = !isDisabled(settings, "overwrite-rows");
  Phase phase(pm, settings);
  // Order comes first: what may be overwritten follows from it.
  phase.add(createOrderOpsPass()).add(createAliasOutputsPass()).addRequired(createPlanMemoryPass(memory)).addRequired(createCheck("plan", settings));
}

void buildInterpret(OpPassManager &pm, const PipelineSettings &settings) {
  Phase(pm, settings).add(createEraseDeadPass()).add(createAliasOutputsPass()).addRequired(createPlanMemoryPass());
}

namespace {

struct SpecializeOptions : PassPipelineOptions<SpecializeOptions> {
  ListOption<std::string> dims{*this, "dims", llvm::cl::desc("NAME=SIZE, ...")};
};

using Build = void (*)(OpPassManager &, const PipelineSettings &);

void registerPhase(StringRef name, StringRef summary, Build build, const PipelineSettings &settings) {
  // Registration is all that the object does.
  PassPipelineRegistration<>(name, summary, [=](OpPassManager &pm) { build(pm, settings); });
}

} // namespace

void registerPipelines(const PipelineSettings &settings) {
  registerFinPasses();
  registerPhase("fin-optimize", "canonicalize, decompose, fold, simplify", buildOptimize, settings);
  PassPipelineRegistration<SpecializeOptions>(
      "fin-specialize", "make symbolic dims static", [=](OpPassManager &pm, const SpecializeOptions &options) {
        PipelineSettings withDims = settings;
        withDims.dims.assign(options.dims.begin(), options.dims.end());
        withDims.symbolic = false; // this phase promises static shapes
        buildSpecialize(pm, withDims);
      });
  registerPhase("fin-fuse", "form the regions that become kernels", buildFuse, settings);
  registerPhase("fin-plan", "share memory between outputs and inputs, lay out the arena", buildPlan, settings);
  registerPhase("fin-interpret", "what the interpreter needs: erase dead ops, plan", buildInterpret, settings);
}

} // namespace tinyfin::fin
