// SPDX-License-Identifier: Apache-2.0
// RUN: tinyfin-opt %s --fin-order-ops | FileCheck %s
// RUN: tinyfin-opt %s --fin-order-ops --fin-alias-outputs | FileCheck %s --check-prefix=ALIAS

// Both gradients are made before both updates: each update moves to its gradient.
// CHECK-LABEL: @updates_follow_their_gradients
// CHECK: %[[G0:.+]] = fin.matmul
// CHECK-NEXT: fin.sub %arg1, %[[G0]]
// CHECK-NEXT: %[[G1:.+]] = fin.matmul
// CHECK-NEXT: fin.sub %arg2, %[[G1]]
func.func @updates_follow_their_gradients(%x: tensor<8x8xf32>, %p: tensor<8x8xf32>, %q: tensor<8x8xf32>) -> (tensor<8x8xf32>, tensor<8x8xf32>) {
  %g0 = fin.matmul %x, %x {transpose_lhs = true, transpose_rhs = false} : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %g1 = fin.matmul %x, %x {transpose_lhs = false, transpose_rhs = true} : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %0 = fin.sub %p, %g0 : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %1 = fin.sub %q, %g1 : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  return %0, %1 : tensor<8x8xf32>, tensor<8x8xf32>
}

// The parameter is read once more: the update waits, and may overwrite it.
// CHECK-LABEL: @updates_wait_for_other_readers
// CHECK: %[[G:.+]] = fin.matmul %arg0, %arg0 {{.*}}transpose_lhs = true
// CHECK: %[[DX:.+]] = fin.matmul %arg1
// CHECK: fin.sub %arg1, %[[G]]
// ALIAS-LABEL: @updates_wait_for_other_readers
// ALIAS: fin.alias %{{.*}} into %arg1
func.func @updates_wait_for_other_readers(%x: tensor<8x8xf32>, %p: tensor<8x8xf32>) -> (tensor<8x8xf32>, tensor<f32>) {
  %g = fin.matmul %x, %x {transpose_lhs = true, transpose_rhs = false} : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %dx = fin.matmul %p, %x {transpose_lhs = false, transpose_rhs = false} : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %0 = fin.sub %p, %g : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %1 = fin.sum %dx {axes = array<i64: 0, 1>, keepdims = false} : (tensor<8x8xf32>) -> tensor<f32>
  return %0, %1 : tensor<8x8xf32>, tensor<f32>
}

// Nothing may fail once the parameter is overwritten.
// CHECK-LABEL: @updates_wait_for_checks
// CHECK: fin.assert
// CHECK: fin.sub %arg1
// ALIAS-LABEL: @updates_wait_for_checks
// ALIAS: fin.alias %{{.*}} into %arg1
func.func @updates_wait_for_checks(%x: tensor<8x8xf32>, %p: tensor<8x8xf32>, %ok: tensor<i1>) -> tensor<8x8xf32> {
  %g = fin.matmul %x, %x {transpose_lhs = true, transpose_rhs = false} : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  fin.assert %ok {message = "not ok"} : (tensor<i1>) -> ()
  %0 = fin.sub %p, %g : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  return %0 : tensor<8x8xf32>
}

// Indices that were in range are so again: the gradient of an embedding cannot fail, the update does not wait for it.
// CHECK-LABEL: @checked_indices_do_not_fail_again
// CHECK: %[[G:.+]] = fin.matmul
// CHECK-NEXT: fin.sub %arg1, %[[G]]
// CHECK: fin.scatter_add
// ALIAS-LABEL: @checked_indices_do_not_fail_again
// ALIAS: fin.alias %{{.*}} into %arg1
func.func @checked_indices_do_not_fail_again(%w: tensor<8x8xf32>, %p: tensor<8x8xf32>, %i: tensor<8xi64>, %u: tensor<8x8xf32>) -> (tensor<8x8xf32>, tensor<8x8xf32>) {
  %x = fin.gather %w, %i {axis = 0 : i64} : (tensor<8x8xf32>, tensor<8xi64>) -> tensor<8x8xf32>
  %g = fin.matmul %x, %x {transpose_lhs = true, transpose_rhs = false} : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %dw = fin.scatter_add %u, %i, %u {axis = 0 : i64} : (tensor<8x8xf32>, tensor<8xi64>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %0 = fin.sub %p, %g : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  return %0, %dw : tensor<8x8xf32>, tensor<8x8xf32>
}

// What frees nothing stays where it was.
// CHECK-LABEL: @the_rest_keeps_its_order
// CHECK: fin.exp
// CHECK-NEXT: fin.neg
// CHECK-NEXT: fin.add
func.func @the_rest_keeps_its_order(%x: tensor<8xf32>) -> tensor<8xf32> {
  %0 = fin.exp %x : (tensor<8xf32>) -> tensor<8xf32>
  %1 = fin.neg %x : (tensor<8xf32>) -> tensor<8xf32>
  %2 = fin.add %1, %0 : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  return %2 : tensor<8xf32>
}
