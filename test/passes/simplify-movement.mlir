// SPDX-License-Identifier: Apache-2.0
// RUN: tinyfin-opt %s --fin-simplify | FileCheck %s

// CHECK-LABEL: @transposes_become_flags
// CHECK-NEXT: fin.matmul %arg0, %arg1 {transpose_lhs = true, transpose_rhs = false}
func.func @transposes_become_flags(%x: tensor<8x4xf32>, %w: tensor<8x6xf32>) -> tensor<4x6xf32> {
  %0 = fin.transpose %x {permutation = array<i64: 1, 0>} : (tensor<8x4xf32>) -> tensor<4x8xf32>
  %1 = fin.transpose %w {permutation = array<i64: 1, 0>} : (tensor<8x6xf32>) -> tensor<6x8xf32>
  %2 = fin.matmul %0, %1 {transpose_lhs = false, transpose_rhs = true} : (tensor<4x8xf32>, tensor<6x8xf32>) -> tensor<4x6xf32>
  return %2 : tensor<4x6xf32>
}

// CHECK-LABEL: @transpose_of_a_product
// CHECK-NEXT: fin.matmul %arg1, %arg0 {transpose_lhs = true, transpose_rhs = true} : (tensor<8x6xf32>, tensor<4x8xf32>) -> tensor<6x4xf32>
func.func @transpose_of_a_product(%x: tensor<4x8xf32>, %w: tensor<8x6xf32>) -> tensor<6x4xf32> {
  %0 = fin.matmul %x, %w {transpose_lhs = false, transpose_rhs = false} : (tensor<4x8xf32>, tensor<8x6xf32>) -> tensor<4x6xf32>
  %1 = fin.transpose %0 {permutation = array<i64: 1, 0>} : (tensor<4x6xf32>) -> tensor<6x4xf32>
  return %1 : tensor<6x4xf32>
}

// CHECK-LABEL: @other_permutations_stay
// CHECK-NEXT: fin.transpose
func.func @other_permutations_stay(%x: tensor<4x2x8xf32>, %w: tensor<2x8x6xf32>) -> tensor<2x4x6xf32> {
  %0 = fin.transpose %x {permutation = array<i64: 1, 0, 2>} : (tensor<4x2x8xf32>) -> tensor<2x4x8xf32>
  %1 = fin.matmul %0, %w {transpose_lhs = false, transpose_rhs = false} : (tensor<2x4x8xf32>, tensor<2x8x6xf32>) -> tensor<2x4x6xf32>
  return %1 : tensor<2x4x6xf32>
}

// CHECK-LABEL: @reshapes_sink
// CHECK-NEXT: %[[EXP:.+]] = fin.exp %arg0 : (tensor<4x8xf32>)
// CHECK-NEXT: %[[MUL:.+]] = fin.mul %[[EXP]], %arg1 : (tensor<4x8xf32>, tensor<f32>)
// CHECK-NEXT: fin.reshape %[[MUL]]
func.func @reshapes_sink(%x: tensor<4x8xf32>, %s: tensor<f32>) -> tensor<32xf32> {
  %0 = fin.reshape %x {shape = [32]} : (tensor<4x8xf32>) -> tensor<32xf32>
  %1 = fin.exp %0 : (tensor<32xf32>) -> tensor<32xf32>
  %2 = fin.mul %1, %s : (tensor<32xf32>, tensor<f32>) -> tensor<32xf32>
  return %2 : tensor<32xf32>
}

// The reshaped operand is repeated along the new axis: the index changes.
// CHECK-LABEL: @repeated_reshapes_stay
// CHECK-NEXT: fin.reshape
// CHECK-NEXT: fin.add
func.func @repeated_reshapes_stay(%x: tensor<8xf32>, %y: tensor<8x8xf32>) -> tensor<8x8xf32> {
  %0 = fin.reshape %x {shape = [8, 1]} : (tensor<8xf32>) -> tensor<8x1xf32>
  %1 = fin.add %0, %y : (tensor<8x1xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  return %1 : tensor<8x8xf32>
}
