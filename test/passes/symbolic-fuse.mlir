// SPDX-License-Identifier: Apache-2.0
// An exported graph with a symbolic batch can be optimized, fused and planned without a size.
// RUN: tinyfin-opt --fin-optimize --fin-fuse %s | FileCheck -enable-var-scope %s
// RUN: tinyfin-opt --fin-optimize --fin-fuse --fin-plan %s | FileCheck -enable-var-scope --check-prefix=PLAN %s

// CHECK-LABEL: func.func @main
// PLAN-LABEL: func.func @main
// PLAN-SAME: fin.arena_bytes
func.func @main(%x: tensor<?x8xf32, #fin.tensor<["N", ""]>>, %w: tensor<8x4xf32>) -> tensor<?x4xf32, #fin.tensor<["N", ""]>> {
  // CHECK: fin.fusion "map"
  // CHECK: fin.exp
  // CHECK: fin.relu
  // CHECK: fin.matmul
  %0 = fin.exp %x : (tensor<?x8xf32, #fin.tensor<["N", ""]>>) -> tensor<?x8xf32, #fin.tensor<["N", ""]>>
  %1 = fin.relu %0 : (tensor<?x8xf32, #fin.tensor<["N", ""]>>) -> tensor<?x8xf32, #fin.tensor<["N", ""]>>
  %2 = fin.matmul %1, %w {transpose_lhs = false, transpose_rhs = false} : (tensor<?x8xf32, #fin.tensor<["N", ""]>>, tensor<8x4xf32>) -> tensor<?x4xf32, #fin.tensor<["N", ""]>>
  return %2 : tensor<?x4xf32, #fin.tensor<["N", ""]>>
}
