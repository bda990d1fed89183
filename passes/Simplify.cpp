// SPDX-License-Identifier: Apache-2.0
// Runs the simplification patterns, and those by which ops canonicalize themselves, until none applies.
#include "passes/Simplify.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/Passes.h"

using namespace mlir;

namespace tinyfin::fin {

#define GEN_PASS_DEF_SIMPLIFYPASS
#include "passes/Passes.h.inc"

namespace {

/// Known of a function from when it was simplified until it changes.
struct IsSimplified {
  explicit IsSimplified(Operation *) {}
};

struct Simplify : impl::SimplifyPassBase<Simplify> {
  LogicalResult initialize(MLIRContext *context) override {
    RewritePatternSet set(context);
    addArithmeticPatterns(set);
    addAttentionPatterns(set);
    addMovementPatterns(set);
    addReductionPatterns(set);
    for (RegisteredOperationName op : context->getRegisteredOperationsByDialect(FinDialect::getDialectNamespace()))
      op.getCanonicalizationPatterns(set, context);
    patterns = std::move(set);
    return success();
  }

  void runOnOperation() override {
    if (getCachedAnalysis<IsSimplified>()) return markAllAnalysesPreserved();
    // Not converging within the driver's limit leaves a valid function: there is nothing to report.
    GreedyRewriteConfig config;
    config.setRegionSimplificationLevel(GreedySimplifyRegionLevel::Disabled).setMaxIterations(1);
    (void)applyPatternsGreedily(getOperation(), patterns, config);
    (void)getAnalysis<IsSimplified>();
    markAnalysesPreserved<IsSimplified>();
  }

  FrozenRewritePatternSet patterns;
};

} // namespace
} // namespace tinyfin::fin
