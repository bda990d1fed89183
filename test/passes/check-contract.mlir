// SPDX-License-Identifier: Apache-2.0
// RUN: tinyfin-opt %s --fin-check-contract=phase=specialize | FileCheck %s
// RUN: tinyfin-opt %S/Inputs/dynamic.mlir --fin-check-contract=phase=optimize | FileCheck %s --check-prefix=SYMBOLIC
// RUN: not tinyfin-opt %S/Inputs/dynamic.mlir --fin-specialize 2>&1 | FileCheck %s --check-prefix=DYNAMIC
// RUN: not tinyfin-opt %s --fin-check-contract=phase=plan 2>&1 | FileCheck %s --check-prefix=UNPLANNED
// RUN: not tinyfin-opt %s --fin-check-contract=phase=run 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: not tinyfin-opt %S/Inputs/fused.mlir --fin-check-contract=phase=optimize 2>&1 | FileCheck %s --check-prefix=EARLY

// SYMBOLIC: fin.exp
// DYNAMIC: dynamic.mlir:3:8: error: 'fin.exp' op has a dynamic result 'tensor<?xf32, #fin.tensor<["N"]>>', wanted static shapes
// UNPLANNED: error: has no fin.arena_bytes
// UNKNOWN: error: check-contract: found phase 'run', wanted optimize, specialize, fuse or plan
// EARLY: error: 'fin.fusion' op may not be left at the end of this phase

// CHECK: fin.exp
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = fin.exp %x : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
