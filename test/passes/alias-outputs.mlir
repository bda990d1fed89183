// SPDX-License-Identifier: Apache-2.0
// RUN: tinyfin-opt %s --fin-alias-outputs | FileCheck %s

// The input that the update reads elementwise is preferred to another of its type.
// CHECK-LABEL: @update_takes_the_parameter
// CHECK: %[[NEW:.+]] = fin.sub %arg1
// CHECK: fin.alias %[[NEW]] into %arg1
func.func @update_takes_the_parameter(%g: tensor<64xf32>, %p: tensor<64xf32>, %lr: tensor<f32>) -> tensor<64xf32> {
  %0 = fin.mul %g, %lr : (tensor<64xf32>, tensor<f32>) -> tensor<64xf32>
  %1 = fin.sub %p, %0 : (tensor<64xf32>, tensor<64xf32>) -> tensor<64xf32>
  return %1 : tensor<64xf32>
}

// CHECK-LABEL: @inputs_read_later_stay
// CHECK-NOT: fin.alias
func.func @inputs_read_later_stay(%x: tensor<64xf32>) -> (tensor<64xf32>, tensor<f32>) {
  %0 = fin.exp %x : (tensor<64xf32>) -> tensor<64xf32>
  %1 = fin.sum %x {axes = array<i64: 0>, keepdims = false} : (tensor<64xf32>) -> tensor<f32>
  return %0, %1 : tensor<64xf32>, tensor<f32>
}

// A view of the input is the input.
// CHECK-LABEL: @views_read_later_stay
// CHECK-NOT: fin.alias
func.func @views_read_later_stay(%x: tensor<8x8xf32>) -> (tensor<8x8xf32>, tensor<f32>) {
  %0 = fin.reshape %x {shape = [64]} : (tensor<8x8xf32>) -> tensor<64xf32>
  %1 = fin.exp %x : (tensor<8x8xf32>) -> tensor<8x8xf32>
  %2 = fin.sum %0 {axes = array<i64: 0>, keepdims = false} : (tensor<64xf32>) -> tensor<f32>
  return %1, %2 : tensor<8x8xf32>, tensor<f32>
}

// Every element of the product reads whole rows of the input.
// CHECK-LABEL: @reads_at_other_indices_stay
// CHECK-NOT: fin.alias
func.func @reads_at_other_indices_stay(%x: tensor<8x8xf32>, %w: tensor<8x8xf32>) -> tensor<8x8xf32> {
  %0 = fin.matmul %x, %w {transpose_lhs = false, transpose_rhs = false} : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  return %0 : tensor<8x8xf32>
}

// CHECK-LABEL: @returned_inputs_stay
// CHECK-NOT: fin.alias
func.func @returned_inputs_stay(%x: tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>) {
  %0 = fin.exp %x : (tensor<8xf32>) -> tensor<8xf32>
  return %x, %0 : tensor<8xf32>, tensor<8xf32>
}

// A failure after the write would leave the caller's tensor changed.
// CHECK-LABEL: @nothing_before_a_check
// CHECK-NOT: fin.alias
func.func @nothing_before_a_check(%x: tensor<8xf32>, %ok: tensor<i1>) -> tensor<8xf32> {
  %0 = fin.exp %x : (tensor<8xf32>) -> tensor<8xf32>
  fin.assert %ok {message = "not ok"} : (tensor<i1>) -> ()
  return %0 : tensor<8xf32>
}

// CHECK-LABEL: @slice_update_takes_what_it_updates
// CHECK: fin.alias %{{.*}} into %arg0
func.func @slice_update_takes_what_it_updates(%x: tensor<8xf32>, %u: tensor<2xf32>, %s: tensor<1xi64>) -> tensor<8xf32> {
  %0 = fin.slice_update %x, %u, %s {steps = array<i64: 1>} : (tensor<8xf32>, tensor<2xf32>, tensor<1xi64>) -> tensor<8xf32>
  return %0 : tensor<8xf32>
}

// Two outputs, two inputs: each once.
// CHECK-LABEL: @each_input_once
// CHECK-DAG: fin.alias %{{.*}} into %arg0
// CHECK-DAG: fin.alias %{{.*}} into %arg1
func.func @each_input_once(%a: tensor<8xf32>, %b: tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>) {
  %0 = fin.exp %a : (tensor<8xf32>) -> tensor<8xf32>
  %1 = fin.exp %b : (tensor<8xf32>) -> tensor<8xf32>
  return %0, %1 : tensor<8xf32>, tensor<8xf32>
}

// CHECK-LABEL: @nothing_before_an_integer_division
// CHECK-NOT: fin.alias
func.func @nothing_before_an_integer_division(%x: tensor<8xf32>, %i: tensor<i64>, %j: tensor<i64>) -> (tensor<8xf32>, tensor<i64>) {
  %0 = fin.exp %x : (tensor<8xf32>) -> tensor<8xf32>
  %1 = fin.div %i, %j : (tensor<i64>, tensor<i64>) -> tensor<i64>
  return %0, %1 : tensor<8xf32>, tensor<i64>
}
