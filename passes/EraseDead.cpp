// SPDX-License-Identifier: Apache-2.0
// Dead code elimination in one backward walk: cheaper than the greedy driver, and all that interpreted graphs need.
#include "passes/Passes.h"

using namespace mlir;

namespace tinyfin::fin {

#define GEN_PASS_DEF_ERASEDEADPASS
#include "passes/Passes.h.inc"

namespace {

struct EraseDead : impl::EraseDeadPassBase<EraseDead> {
  void runOnOperation() override {
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(getOperation().front())))
      if (isOpTriviallyDead(&op)) op.erase();
  }
};

} // namespace
} // namespace tinyfin::fin
