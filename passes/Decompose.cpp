// SPDX-License-Identifier: Apache-2.0
// Composite ops by their rules, in program order; what a rule emits is decomposed in turn.
#include "passes/Passes.h"
#include "passes/ValueBuilder.h"

using namespace mlir;

namespace tinyfin::fin {

#define GEN_PASS_DEF_DECOMPOSEPASS
#include "passes/Passes.h.inc"

namespace {

struct Decompose : impl::DecomposePassBase<Decompose> {
  using Base::Base;

  void runOnOperation() override {
    for (const std::string &name : keep) {
      std::optional<OpId> id = findOp("fin." + name);
      if (id && infoOf(*id).isComposite) continue;
      getOperation().emitError("decompose: found '") << name << "' in keep, wanted the mnemonic of a composite op";
      return signalPassFailure();
    }
    Block &body = getOperation().front();
    for (auto at = body.begin(); at != body.end();) {
      Operation *op = &*at;
      std::optional<OpId> id = opIdOfOperation(op);
      if (!id || !infoOf(*id).isComposite || llvm::is_contained(keep, infoOf(*id).mnemonic)) {
        ++at;
        continue;
      }
      Operation *before = op->getPrevNode();
      replace(op);
      at = before ? std::next(before->getIterator()) : body.begin();
    }
  }

  static void replace(Operation *op) {
    OpBuilder insertion(op);
    ValueBuilder builder(insertion, op->getLoc());
    Refs results = applyDecomposition(builder, op);
    for (auto [result, ref] : llvm::zip_equal(op->getResults(), results))
      result.replaceAllUsesWith(ValueBuilder::valueOf(ref));
    op->erase();
  }
};

} // namespace
} // namespace tinyfin::fin
