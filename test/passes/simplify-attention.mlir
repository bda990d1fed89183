// SPDX-License-Identifier: Apache-2.0
// RUN: tinyfin-opt %s --fin-simplify --canonicalize | FileCheck %s

// CHECK-LABEL: @transposed_views_are_read_where_they_lie
// CHECK-NEXT: %[[OUT:.+]], %{{.+}} = fin.attention %arg0, %arg1, %arg2 {causal = true, heads_first = false, scale = 5.000000e-01 : f64}
// CHECK-NEXT: return %[[OUT]]
func.func @transposed_views_are_read_where_they_lie(%q: tensor<2x8x3x4xf32>, %k: tensor<2x8x3x4xf32>, %v: tensor<2x8x3x4xf32>) -> tensor<2x8x3x4xf32> {
  %0 = fin.transpose %q {permutation = array<i64: 0, 2, 1, 3>} : (tensor<2x8x3x4xf32>) -> tensor<2x3x8x4xf32>
  %1 = fin.transpose %k {permutation = array<i64: 0, 2, 1, 3>} : (tensor<2x8x3x4xf32>) -> tensor<2x3x8x4xf32>
  %2 = fin.transpose %v {permutation = array<i64: 0, 2, 1, 3>} : (tensor<2x8x3x4xf32>) -> tensor<2x3x8x4xf32>
  %y, %lse = fin.attention %0, %1, %2 {causal = true, scale = 0.5 : f64, heads_first = true} : (tensor<2x3x8x4xf32>, tensor<2x3x8x4xf32>, tensor<2x3x8x4xf32>) -> (tensor<2x3x8x4xf32>, tensor<2x3x8xf32>)
  %3 = fin.transpose %y {permutation = array<i64: 0, 2, 1, 3>} : (tensor<2x3x8x4xf32>) -> tensor<2x8x3x4xf32>
  return %3 : tensor<2x8x3x4xf32>
}

// CHECK-LABEL: @gradients_are_written_where_they_go
// CHECK: fin.attention_grad %arg0, %arg1, %arg2, %arg3, {{.+}} {causal = true, heads_first = false, scale = 5.000000e-01 : f64}
// CHECK-NEXT: return %dq, %dk, %dv
func.func @gradients_are_written_where_they_go(%dy: tensor<2x8x3x4xf32>, %q: tensor<2x8x3x4xf32>, %k: tensor<2x8x3x4xf32>, %v: tensor<2x8x3x4xf32>, %rows: tensor<2x3x8xf32>) -> (tensor<2x8x3x4xf32>, tensor<2x8x3x4xf32>, tensor<2x8x3x4xf32>) {
  %0 = fin.transpose %dy {permutation = array<i64: 0, 2, 1, 3>} : (tensor<2x8x3x4xf32>) -> tensor<2x3x8x4xf32>
  %1 = fin.transpose %q {permutation = array<i64: 0, 2, 1, 3>} : (tensor<2x8x3x4xf32>) -> tensor<2x3x8x4xf32>
  %2 = fin.transpose %k {permutation = array<i64: 0, 2, 1, 3>} : (tensor<2x8x3x4xf32>) -> tensor<2x3x8x4xf32>
  %3 = fin.transpose %v {permutation = array<i64: 0, 2, 1, 3>} : (tensor<2x8x3x4xf32>) -> tensor<2x3x8x4xf32>
  %dq, %dk, %dv = fin.attention_grad %0, %1, %2, %3, %rows, %rows {causal = true, scale = 0.5 : f64, heads_first = true} : (tensor<2x3x8x4xf32>, tensor<2x3x8x4xf32>, tensor<2x3x8x4xf32>, tensor<2x3x8x4xf32>, tensor<2x3x8xf32>, tensor<2x3x8xf32>) -> (tensor<2x3x8x4xf32>, tensor<2x3x8x4xf32>, tensor<2x3x8x4xf32>)
  %4 = fin.transpose %dq {permutation = array<i64: 0, 2, 1, 3>} : (tensor<2x3x8x4xf32>) -> tensor<2x8x3x4xf32>
  %5 = fin.transpose %dk {permutation = array<i64: 0, 2, 1, 3>} : (tensor<2x3x8x4xf32>) -> tensor<2x8x3x4xf32>
  %6 = fin.transpose %dv {permutation = array<i64: 0, 2, 1, 3>} : (tensor<2x3x8x4xf32>) -> tensor<2x8x3x4xf32>
  return %4, %5, %6 : tensor<2x8x3x4xf32>, tensor<2x8x3x4xf32>, tensor<2x8x3x4xf32>
}

// A mask has one layout: it stays as it is.
// CHECK-LABEL: @masks_do_not_turn
// CHECK-NEXT: fin.attention %arg0, %arg1, %arg2, %arg3 {causal = true, heads_first = false, scale = 5.000000e-01 : f64}
func.func @masks_do_not_turn(%q: tensor<2x8x3x4xf32>, %k: tensor<2x8x3x4xf32>, %v: tensor<2x8x3x4xf32>, %mask: tensor<2x3x8x8xi1>) -> tensor<2x8x3x4xf32> {
  %0 = fin.transpose %q {permutation = array<i64: 0, 2, 1, 3>} : (tensor<2x8x3x4xf32>) -> tensor<2x3x8x4xf32>
  %1 = fin.transpose %k {permutation = array<i64: 0, 2, 1, 3>} : (tensor<2x8x3x4xf32>) -> tensor<2x3x8x4xf32>
  %2 = fin.transpose %v {permutation = array<i64: 0, 2, 1, 3>} : (tensor<2x8x3x4xf32>) -> tensor<2x3x8x4xf32>
  %y, %lse = fin.attention %0, %1, %2, %mask {causal = true, scale = 0.5 : f64, heads_first = true} : (tensor<2x3x8x4xf32>, tensor<2x3x8x4xf32>, tensor<2x3x8x4xf32>, tensor<2x3x8x8xi1>) -> (tensor<2x3x8x4xf32>, tensor<2x3x8xf32>)
  %3 = fin.transpose %y {permutation = array<i64: 0, 2, 1, 3>} : (tensor<2x3x8x4xf32>) -> tensor<2x8x3x4xf32>
  return %3 : tensor<2x8x3x4xf32>
}

// CHECK-LABEL: @one_operand_that_is_no_swap
// CHECK-COUNT-2: fin.transpose
// CHECK-NEXT: fin.attention %{{.+}} {causal = true, heads_first = true,
func.func @one_operand_that_is_no_swap(%q: tensor<2x8x3x4xf32>, %k: tensor<2x8x3x4xf32>, %v: tensor<2x3x8x4xf32>) -> tensor<2x3x8x4xf32> {
  %0 = fin.transpose %q {permutation = array<i64: 0, 2, 1, 3>} : (tensor<2x8x3x4xf32>) -> tensor<2x3x8x4xf32>
  %1 = fin.transpose %k {permutation = array<i64: 0, 2, 1, 3>} : (tensor<2x8x3x4xf32>) -> tensor<2x3x8x4xf32>
  %y, %lse = fin.attention %0, %1, %v {causal = true, scale = 0.5 : f64, heads_first = true} : (tensor<2x3x8x4xf32>, tensor<2x3x8x4xf32>, tensor<2x3x8x4xf32>) -> (tensor<2x3x8x4xf32>, tensor<2x3x8xf32>)
  return %y : tensor<2x3x8x4xf32>
}

// CHECK-LABEL: @another_permutation
// CHECK-NEXT: fin.transpose %arg0 {permutation = array<i64: 0, 1, 3, 2>}
// CHECK-NEXT: fin.attention %{{.+}} {causal = true, heads_first = true,
func.func @another_permutation(%x: tensor<2x3x4x8xf32>) -> tensor<2x3x8x4xf32> {
  %0 = fin.transpose %x {permutation = array<i64: 0, 1, 3, 2>} : (tensor<2x3x4x8xf32>) -> tensor<2x3x8x4xf32>
  %y, %lse = fin.attention %0, %0, %0 {causal = true, scale = 0.5 : f64, heads_first = true} : (tensor<2x3x8x4xf32>, tensor<2x3x8x4xf32>, tensor<2x3x8x4xf32>) -> (tensor<2x3x8x4xf32>, tensor<2x3x8xf32>)
  return %y : tensor<2x3x8x4xf32>
}
