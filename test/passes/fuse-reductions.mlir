// SPDX-License-Identifier: Apache-2.0
// RUN: tinyfin-opt %s --fin-fuse-regions | FileCheck %s

// CHECK-LABEL: @producers_and_consumers_join
// CHECK: fin.fusion "reduction" (%{{.+}} = %arg0 : tensor<4x8xf32>) -> (tensor<4xf32>)
// CHECK-SAME: fin.domain = array<i64: 4, 8>, fin.reduced_axes = array<i64: 1>
// CHECK-NEXT: fin.square
// CHECK-NEXT: fin.sum
// CHECK-NEXT: fin.sqrt
func.func @producers_and_consumers_join(%x: tensor<4x8xf32>) -> tensor<4xf32> {
  %0 = fin.square %x : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %1 = fin.sum %0 {axes = array<i64: 1>, keepdims = false} : (tensor<4x8xf32>) -> tensor<4xf32>
  %2 = fin.sqrt %1 : (tensor<4xf32>) -> tensor<4xf32>
  return %2 : tensor<4xf32>
}

// The gradient of a bias and of what it was added to: one pass over memory.
// CHECK-LABEL: @full_values_may_be_results
// CHECK: fin.fusion "reduction" ({{.*}}) -> (tensor<4x8xf32>, tensor<8xf32>)
func.func @full_values_may_be_results(%x: tensor<4x8xf32>, %y: tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<8xf32>) {
  %0 = fin.mul %x, %y : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %1 = fin.sum %0 {axes = array<i64: 0>, keepdims = false} : (tensor<4x8xf32>) -> tensor<8xf32>
  return %0, %1 : tensor<4x8xf32>, tensor<8xf32>
}

// CHECK-LABEL: @different_axes_stay_apart
// CHECK-COUNT-2: fin.fusion "reduction"
func.func @different_axes_stay_apart(%x: tensor<4x8xf32>) -> (tensor<4xf32>, tensor<8xf32>) {
  %0 = fin.sum %x {axes = array<i64: 1>, keepdims = false} : (tensor<4x8xf32>) -> tensor<4xf32>
  %1 = fin.sum %x {axes = array<i64: 0>, keepdims = false} : (tensor<4x8xf32>) -> tensor<8xf32>
  return %0, %1 : tensor<4xf32>, tensor<8xf32>
}

// CHECK-LABEL: @contractions_stay_outside
// CHECK-NEXT: fin.matmul
// CHECK-NEXT: fin.argmax
// CHECK-NOT: fin.fusion
func.func @contractions_stay_outside(%x: tensor<4x4xf32>) -> tensor<4xi64> {
  %0 = fin.matmul %x, %x {transpose_lhs = false, transpose_rhs = false} : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %1 = fin.argmax %0 {axis = 1, keepdims = false} : (tensor<4x4xf32>) -> tensor<4xi64>
  return %1 : tensor<4xi64>
}
