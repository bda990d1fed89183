// SPDX-License-Identifier: Apache-2.0
// Declares what Passes.td defines: create<Name>Pass() and registerFinPasses().
#pragma once
#include "ir/Fin.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace tinyfin::fin {

#define GEN_PASS_DECL
#include "passes/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "passes/Passes.h.inc"

} // namespace tinyfin::fin
