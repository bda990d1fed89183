// SPDX-License-Identifier: Apache-2.0
// RUN: tinyfin-opt %s --fin-fuse-regions | FileCheck %s

// CHECK-LABEL: @chains_become_one_region
// CHECK: %[[F:.+]] = fin.fusion "map" (%[[A:.+]] = %arg0 : tensor<4x8xf32>, %[[B:.+]] = %arg1 : tensor<8xf32>) -> (tensor<4x8xf32>)
// CHECK-SAME: fin.domain = array<i64: 4, 8>
// CHECK-NEXT: %[[ADD:.+]] = fin.add %[[A]], %[[B]]
// CHECK-NEXT: %[[RELU:.+]] = fin.relu %[[ADD]]
// CHECK-NEXT: fin.yield %[[RELU]]
// CHECK: return %[[F]]
func.func @chains_become_one_region(%x: tensor<4x8xf32>, %b: tensor<8xf32>) -> tensor<4x8xf32> {
  %0 = fin.add %x, %b : (tensor<4x8xf32>, tensor<8xf32>) -> tensor<4x8xf32>
  %1 = fin.relu %0 : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %1 : tensor<4x8xf32>
}

// CHECK-LABEL: @what_is_read_outside_is_a_result_too
// CHECK: %[[F:.+]]:2 = fin.fusion "map"
// CHECK-NOT: fin.fusion
// CHECK: fin.matmul %[[F]]#0, %[[F]]#1
func.func @what_is_read_outside_is_a_result_too(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %0 = fin.exp %x : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %1 = fin.neg %0 : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %2 = fin.matmul %0, %1 {transpose_lhs = false, transpose_rhs = false} : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  return %2 : tensor<4x4xf32>
}

// exp -> matmul -> add, and exp -> add: a region of exp and add would need its own result.
// CHECK-LABEL: @no_cycles
// CHECK: fin.fusion "map"
// CHECK: fin.exp
// CHECK: fin.fusion "contraction"
// CHECK: fin.matmul
// CHECK: fin.add
func.func @no_cycles(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %0 = fin.exp %x : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %1 = fin.matmul %0, %x {transpose_lhs = false, transpose_rhs = false} : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %2 = fin.add %0, %1 : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  return %2 : tensor<4x4xf32>
}

// CHECK-LABEL: @siblings_share_a_region
// CHECK: fin.fusion "map" (%{{.+}} = %arg0 : tensor<64xf32>) -> (tensor<64xf32>, tensor<64xf32>)
// CHECK-NOT: fin.fusion
func.func @siblings_share_a_region(%x: tensor<64xf32>) -> (tensor<64xf32>, tensor<64xf32>) {
  %0 = fin.exp %x : (tensor<64xf32>) -> tensor<64xf32>
  %1 = fin.neg %x : (tensor<64xf32>) -> tensor<64xf32>
  return %0, %1 : tensor<64xf32>, tensor<64xf32>
}

// CHECK-LABEL: @strangers_stay_apart
// CHECK-COUNT-2: fin.fusion "map"
func.func @strangers_stay_apart(%x: tensor<64xf32>, %y: tensor<64xf32>) -> (tensor<64xf32>, tensor<64xf32>) {
  %0 = fin.exp %x : (tensor<64xf32>) -> tensor<64xf32>
  %1 = fin.neg %y : (tensor<64xf32>) -> tensor<64xf32>
  return %0, %1 : tensor<64xf32>, tensor<64xf32>
}

// Constants, fills and iota are copied into each region that reads them.
// CHECK-LABEL: @sources_are_copied
// CHECK: fin.fusion "map" (%{{.+}} = %arg0 : tensor<4x8xf32>)
// CHECK-DAG: fin.constant dense<2.000000e+00>
// CHECK-DAG: fin.iota
// CHECK: fin.yield
func.func @sources_are_copied(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %c = fin.constant dense<2.0> : tensor<f32>
  %i = fin.iota {shape = [1, 8], axis = 1, dtype = f32} : () -> tensor<1x8xf32>
  %0 = fin.mul %x, %c : (tensor<4x8xf32>, tensor<f32>) -> tensor<4x8xf32>
  %1 = fin.add %0, %i : (tensor<4x8xf32>, tensor<1x8xf32>) -> tensor<4x8xf32>
  return %1 : tensor<4x8xf32>
}

// A value that is known element by element is an input.
// CHECK-LABEL: @tables_are_inputs
// CHECK: %[[TABLE:.+]] = fin.constant dense<[1.000000e+00, 2.000000e+00]>
// CHECK: fin.fusion "map" (%{{.+}} = %arg0 : tensor<2xf32>, %{{.+}} = %[[TABLE]] : tensor<2xf32>)
func.func @tables_are_inputs(%x: tensor<2xf32>) -> tensor<2xf32> {
  %c = fin.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %0 = fin.mul %x, %c : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  return %0 : tensor<2xf32>
}

// CHECK-LABEL: @transposed_inputs_are_read_in_place
// CHECK: fin.fusion "map" (%[[A:.+]] = %arg0 : tensor<8x4xf32>)
// CHECK-NEXT: fin.transpose %[[A]]
// CHECK-NEXT: fin.exp
func.func @transposed_inputs_are_read_in_place(%x: tensor<8x4xf32>) -> tensor<4x8xf32> {
  %0 = fin.transpose %x {permutation = array<i64: 1, 0>} : (tensor<8x4xf32>) -> tensor<4x8xf32>
  %1 = fin.exp %0 : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %1 : tensor<4x8xf32>
}

// CHECK-LABEL: @computed_values_are_not_transposed_inside
// CHECK: fin.fusion "map"
// CHECK-NEXT: fin.exp
// CHECK-NEXT: fin.yield
// CHECK: fin.fusion "map"
// CHECK-NEXT: fin.transpose
func.func @computed_values_are_not_transposed_inside(%x: tensor<8x4xf32>) -> tensor<4x8xf32> {
  %0 = fin.exp %x : (tensor<8x4xf32>) -> tensor<8x4xf32>
  %1 = fin.transpose %0 {permutation = array<i64: 1, 0>} : (tensor<8x4xf32>) -> tensor<4x8xf32>
  return %1 : tensor<4x8xf32>
}

// A slice whose starts are known at run time may fail; one with known starts cannot.
// CHECK-LABEL: @slices
// CHECK: fin.slice %arg0, %arg1
// CHECK: fin.fusion "map"
// CHECK: fin.slice
func.func @slices(%x: tensor<8xf32>, %s: tensor<1xi64>) -> (tensor<4xf32>, tensor<4xf32>) {
  %c = fin.constant dense<2> : tensor<1xi64>
  %0 = fin.slice %x, %s {sizes = [4], steps = array<i64: 1>} : (tensor<8xf32>, tensor<1xi64>) -> tensor<4xf32>
  %1 = fin.slice %x, %c {sizes = [4], steps = array<i64: 1>} : (tensor<8xf32>, tensor<1xi64>) -> tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// A scalar that one region alone reads is computed there; one that two read has a region of its own.
// CHECK-LABEL: @uniform_values
// CHECK: fin.fusion "map" (%{{.+}} = %arg0 : tensor<f32>) -> (tensor<f32>)
// CHECK-NEXT: fin.exp
// CHECK: fin.fusion "map"
// CHECK: fin.fusion "map"
// CHECK: fin.neg
// CHECK: fin.add
func.func @uniform_values(%s: tensor<f32>, %t: tensor<f32>, %x: tensor<8xf32>, %y: tensor<16xf32>) -> (tensor<8xf32>, tensor<16xf32>) {
  %0 = fin.exp %s : (tensor<f32>) -> tensor<f32>
  %1 = fin.neg %t : (tensor<f32>) -> tensor<f32>
  %2 = fin.mul %x, %0 : (tensor<8xf32>, tensor<f32>) -> tensor<8xf32>
  %3 = fin.mul %y, %0 : (tensor<16xf32>, tensor<f32>) -> tensor<16xf32>
  %4 = fin.add %3, %1 : (tensor<16xf32>, tensor<f32>) -> tensor<16xf32>
  return %2, %4 : tensor<8xf32>, tensor<16xf32>
}

// CHECK-LABEL: @fills_that_are_returned_are_regions
// CHECK: fin.fusion "map" (%{{.+}} = %arg0 : tensor<f32>) -> (tensor<4xf32>)
// CHECK-NEXT: fin.broadcast
func.func @fills_that_are_returned_are_regions(%s: tensor<f32>) -> tensor<4xf32> {
  %0 = fin.broadcast %s {shape = [4]} : (tensor<f32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// CHECK-LABEL: @effects_keep_their_order
// CHECK: fin.print %arg0
// CHECK: fin.print %{{.+}} {message = "second"}
func.func @effects_keep_their_order(%x: tensor<4xf32>) {
  %0 = fin.exp %x : (tensor<4xf32>) -> tensor<4xf32>
  fin.print %x {message = "first"} : (tensor<4xf32>) -> ()
  fin.print %0 {message = "second"} : (tensor<4xf32>) -> ()
  return
}

// An integer division by what may be 0 can fail.
// CHECK-LABEL: @integer_divisions
// CHECK: fin.div %arg0, %arg1
// CHECK: fin.fusion "map"
// CHECK: fin.div
func.func @integer_divisions(%x: tensor<4xi64>, %y: tensor<4xi64>) -> (tensor<4xi64>, tensor<4xi64>) {
  %c = fin.constant dense<3> : tensor<i64>
  %0 = fin.div %x, %y : (tensor<4xi64>, tensor<4xi64>) -> tensor<4xi64>
  %1 = fin.div %x, %c : (tensor<4xi64>, tensor<i64>) -> tensor<4xi64>
  return %0, %1 : tensor<4xi64>, tensor<4xi64>
}

// What a pad moves lies in memory: a repetition of what the region computes does not, and keeps the two apart.
// CHECK-LABEL: @a_repetition_between_a_map_and_a_pad
// CHECK: %[[N:.+]] = fin.fusion "map"
// CHECK-NEXT: fin.neg
// CHECK: %[[B:.+]] = fin.fusion "map" (%{{.+}} = %[[N]] :
// CHECK-NEXT: fin.broadcast
// CHECK: fin.fusion "map" ({{.+}} = %[[B]] :
// CHECK: fin.pad
func.func @a_repetition_between_a_map_and_a_pad(%s: tensor<i64>, %v: tensor<i64>, %y: tensor<i64>) -> tensor<7xi64> {
  %0 = fin.neg %s : (tensor<i64>) -> tensor<i64>
  %1 = fin.relu %y : (tensor<i64>) -> tensor<i64>
  %2 = fin.broadcast %0 {shape = [5]} : (tensor<i64>) -> tensor<5xi64>
  %3 = fin.pad %2, %v {low = array<i64: 2>, high = array<i64: 0>} : (tensor<5xi64>, tensor<i64>) -> tensor<7xi64>
  %4 = fin.add %3, %1 : (tensor<7xi64>, tensor<i64>) -> tensor<7xi64>
  return %4 : tensor<7xi64>
}
