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

// CHECK-LABEL: @update_of_zeros_is_a_pad
// CHECK: %[[ZERO:.+]] = fin.constant dense<0.000000e+00> : tensor<f32>
// CHECK: fin.pad %arg0, %[[ZERO]] {high = array<i64: 0, 4>, low = array<i64: 0, 2>}
func.func @update_of_zeros_is_a_pad(%u: tensor<4x2xf32>) -> tensor<4x8xf32> {
  %z = fin.constant dense<0.0> : tensor<4x8xf32>
  %s = fin.constant dense<[0, 2]> : tensor<2xi64>
  %0 = fin.slice_update %z, %u, %s {steps = array<i64: 1, 1>} : (tensor<4x8xf32>, tensor<4x2xf32>, tensor<2xi64>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// Starts known at run time, steps over 1 and starts out of range stay what they are.
// CHECK-LABEL: @other_updates_stay
// CHECK-COUNT-3: fin.slice_update
func.func @other_updates_stay(%u: tensor<2xf32>, %s: tensor<1xi64>) -> (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) {
  %z = fin.constant dense<0.0> : tensor<8xf32>
  %c = fin.constant dense<2> : tensor<1xi64>
  %far = fin.constant dense<7> : tensor<1xi64>
  %0 = fin.slice_update %z, %u, %s {steps = array<i64: 1>} : (tensor<8xf32>, tensor<2xf32>, tensor<1xi64>) -> tensor<8xf32>
  %1 = fin.slice_update %z, %u, %c {steps = array<i64: 2>} : (tensor<8xf32>, tensor<2xf32>, tensor<1xi64>) -> tensor<8xf32>
  %2 = fin.slice_update %z, %u, %far {steps = array<i64: 1>} : (tensor<8xf32>, tensor<2xf32>, tensor<1xi64>) -> tensor<8xf32>
  return %0, %1, %2 : tensor<8xf32>, tensor<8xf32>, tensor<8xf32>
}

// CHECK-LABEL: @scalars_need_no_reshape
// CHECK-NEXT: %[[MUL:.+]] = fin.mul %arg0, %arg1 : (tensor<4x8xf32>, tensor<f32>)
// CHECK-NEXT: %[[FILL:.+]] = fin.broadcast %arg1
// CHECK-NEXT: return %[[MUL]], %[[FILL]]
func.func @scalars_need_no_reshape(%x: tensor<4x8xf32>, %s: tensor<f32>) -> (tensor<4x8xf32>, tensor<4x8xf32>) {
  %0 = fin.reshape %s {shape = [1, 1]} : (tensor<f32>) -> tensor<1x1xf32>
  %1 = fin.mul %x, %0 : (tensor<4x8xf32>, tensor<1x1xf32>) -> tensor<4x8xf32>
  %2 = fin.broadcast %0 {shape = [4, 8]} : (tensor<1x1xf32>) -> tensor<4x8xf32>
  return %1, %2 : tensor<4x8xf32>, tensor<4x8xf32>
}

// The gradient of what was taken apart by slices is put together again, in any order.
// CHECK-LABEL: @pads_side_by_side_become_a_concat
// CHECK-NEXT: %[[C:.+]] = fin.concat %arg1, %arg0, %arg2 {axis = 1 : i64}
// CHECK-NEXT: return %[[C]]
func.func @pads_side_by_side_become_a_concat(%a: tensor<2x3xf32>, %b: tensor<2x1xf32>, %c: tensor<2x4xf32>) -> tensor<2x8xf32> {
  %z = fin.constant dense<0.0> : tensor<f32>
  %0 = fin.pad %a, %z {low = array<i64: 0, 1>, high = array<i64: 0, 4>} : (tensor<2x3xf32>, tensor<f32>) -> tensor<2x8xf32>
  %1 = fin.pad %b, %z {low = array<i64: 0, 0>, high = array<i64: 0, 7>} : (tensor<2x1xf32>, tensor<f32>) -> tensor<2x8xf32>
  %2 = fin.pad %c, %z {low = array<i64: 0, 4>, high = array<i64: 0, 0>} : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x8xf32>
  %3 = fin.add %0, %1 : (tensor<2x8xf32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  %4 = fin.add %3, %2 : (tensor<2x8xf32>, tensor<2x8xf32>) -> tensor<2x8xf32>
  return %4 : tensor<2x8xf32>
}

// They overlap, leave a gap, or are filled with something else.
// CHECK-LABEL: @other_pads_stay
// CHECK-NOT: fin.concat
func.func @other_pads_stay(%a: tensor<5xf32>, %b: tensor<4xf32>, %c: tensor<3xf32>) -> (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) {
  %z = fin.constant dense<0.0> : tensor<f32>
  %one = fin.constant dense<1.0> : tensor<f32>
  %0 = fin.pad %a, %z {low = array<i64: 0>, high = array<i64: 3>} : (tensor<5xf32>, tensor<f32>) -> tensor<8xf32>
  %1 = fin.pad %b, %z {low = array<i64: 4>, high = array<i64: 0>} : (tensor<4xf32>, tensor<f32>) -> tensor<8xf32>
  %2 = fin.pad %c, %z {low = array<i64: 0>, high = array<i64: 5>} : (tensor<3xf32>, tensor<f32>) -> tensor<8xf32>
  %3 = fin.pad %c, %one {low = array<i64: 5>, high = array<i64: 0>} : (tensor<3xf32>, tensor<f32>) -> tensor<8xf32>
  %4 = fin.add %0, %1 : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %5 = fin.add %2, %1 : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %6 = fin.add %0, %3 : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  return %4, %5, %6 : tensor<8xf32>, tensor<8xf32>, tensor<8xf32>
}

// CHECK-LABEL: @a_gradient_scattered_onto_another
// CHECK-NEXT: %[[SUM:.+]] = fin.scatter_add %arg0, %arg1, %arg2
// CHECK-NEXT: return %[[SUM]]
func.func @a_gradient_scattered_onto_another(%y: tensor<9x3xf32>, %i: tensor<2xi64>, %u: tensor<2x3xf32>) -> tensor<9x3xf32> {
  %zero = fin.constant dense<0.0> : tensor<f32>
  %zeros = fin.full %zero {shape = [9, 3]} : (tensor<f32>) -> tensor<9x3xf32>
  %0 = fin.scatter_add %zeros, %i, %u {axis = 0 : i64} : (tensor<9x3xf32>, tensor<2xi64>, tensor<2x3xf32>) -> tensor<9x3xf32>
  %1 = fin.add %y, %0 : (tensor<9x3xf32>, tensor<9x3xf32>) -> tensor<9x3xf32>
  return %1 : tensor<9x3xf32>
}

// CHECK-LABEL: @a_scattered_value_that_others_read
// CHECK: fin.scatter_add
// CHECK: fin.add
func.func @a_scattered_value_that_others_read(%y: tensor<9x3xf32>, %i: tensor<2xi64>, %u: tensor<2x3xf32>) -> (tensor<9x3xf32>, tensor<9x3xf32>) {
  %zeros = fin.constant dense<0.0> : tensor<9x3xf32>
  %0 = fin.scatter_add %zeros, %i, %u {axis = 0 : i64} : (tensor<9x3xf32>, tensor<2xi64>, tensor<2x3xf32>) -> tensor<9x3xf32>
  %1 = fin.add %y, %0 : (tensor<9x3xf32>, tensor<9x3xf32>) -> tensor<9x3xf32>
  return %0, %1 : tensor<9x3xf32>, tensor<9x3xf32>
}

// CHECK-LABEL: @a_scatter_onto_something_else_than_zeros
// CHECK: fin.scatter_add %arg0
// CHECK: fin.add
func.func @a_scatter_onto_something_else_than_zeros(%y: tensor<9x3xf32>, %i: tensor<2xi64>, %u: tensor<2x3xf32>) -> tensor<9x3xf32> {
  %0 = fin.scatter_add %y, %i, %u {axis = 0 : i64} : (tensor<9x3xf32>, tensor<2xi64>, tensor<2x3xf32>) -> tensor<9x3xf32>
  %1 = fin.add %y, %0 : (tensor<9x3xf32>, tensor<9x3xf32>) -> tensor<9x3xf32>
  return %1 : tensor<9x3xf32>
}
