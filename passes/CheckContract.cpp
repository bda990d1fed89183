// SPDX-License-Identifier: Apache-2.0
// What each phase promises, checked.
#include "llvm/ADT/StringSwitch.h"
#include "passes/Passes.h"
#include "passes/Storage.h"

using namespace mlir;

namespace tinyfin::fin {

#define GEN_PASS_DEF_CHECKCONTRACTPASS
#include "passes/Passes.h.inc"

namespace {

enum Phase { Unknown, Optimize, Specialize, Fuse, Plan };

bool isAllowed(Operation &op, Phase phase) {
  if (opIdOfOperation(&op) || isa<ConstantOp, func::ReturnOp>(op)) return true;
  return (phase >= Fuse && isa<FusionOp>(op)) || (phase >= Plan && isa<AliasOp>(op));
}

LogicalResult checkStatic(Operation &op) {
  for (Type type : op.getResultTypes())
    if (!cast<ShapedType>(type).hasStaticShape())
      return op.emitOpError("has a dynamic result ") << type << ", wanted static shapes (--fin-specialize-shapes)";
  return success();
}

LogicalResult checkPlanned(func::FuncOp function) {
  if (!function->hasAttr(kArenaBytesAttr)) return function.emitError("has no ") << kArenaBytesAttr;
  Storage storage(function);
  for (const StorageClass &held : storage.all())
    if (held.place == Place::Arena && held.offset < 0)
      return held.root.getDefiningOp()->emitOpError("has a result in the arena without an offset");
  return success();
}

LogicalResult check(func::FuncOp function, Phase phase, bool mustBeStatic) {
  if (!llvm::hasSingleElement(function.getBody()))
    return function.emitError("has ") << function.getBody().getBlocks().size() << " blocks, wanted 1";
  for (Operation &op : function.front()) {
    if (!isAllowed(op, phase)) return op.emitOpError("may not be left at the end of this phase");
    if (mustBeStatic && failed(checkStatic(op))) return failure();
  }
  for (Type type : function.getArgumentTypes())
    if (mustBeStatic && !cast<ShapedType>(type).hasStaticShape())
      return function.emitError("has a dynamic argument ") << type << ", wanted static shapes (--fin-specialize-shapes)";
  return phase >= Plan ? checkPlanned(function) : success();
}

struct CheckContract : impl::CheckContractPassBase<CheckContract> {
  using Base::Base;

  void runOnOperation() override {
    Phase found = llvm::StringSwitch<Phase>(phase)
                      .Case("optimize", Optimize)
                      .Case("specialize", Specialize)
                      .Case("fuse", Fuse)
                      .Case("plan", Plan)
                      .Default(Unknown);
    if (found == Unknown)
      getOperation().emitError("check-contract: found phase '") << phase << "', wanted optimize, specialize, fuse or plan";
    if (found == Unknown || failed(check(getOperation(), found, found >= Specialize && !symbolic))) signalPassFailure();
    markAllAnalysesPreserved();
  }
};

} // namespace
} // namespace tinyfin::fin
