// SPDX-License-Identifier: Apache-2.0
// RUN: tinyfin-opt %s --fin-cse | FileCheck %s

// CHECK-LABEL: @equal_ops_are_computed_once
// CHECK: %[[EXP:.*]] = fin.exp %arg0
// CHECK-NEXT: %[[ADD:.*]] = fin.add %[[EXP]], %[[EXP]]
// CHECK-NEXT: return %[[ADD]]
func.func @equal_ops_are_computed_once(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = fin.exp %x : (tensor<4xf32>) -> tensor<4xf32>
  %1 = fin.exp %x : (tensor<4xf32>) -> tensor<4xf32>
  %2 = fin.add %0, %1 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %2 : tensor<4xf32>
}

// CHECK-LABEL: @operands_of_a_sum_may_be_swapped
// CHECK: %[[ADD:.*]] = fin.add %arg0, %arg1
// CHECK-NEXT: return %[[ADD]], %[[ADD]]
func.func @operands_of_a_sum_may_be_swapped(%x: tensor<4xf32>, %y: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = fin.add %x, %y : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = fin.add %y, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: @operands_of_a_difference_may_not
// CHECK: %[[ONE:.*]] = fin.sub %arg0, %arg1
// CHECK-NEXT: %[[OTHER:.*]] = fin.sub %arg1, %arg0
// CHECK-NEXT: return %[[ONE]], %[[OTHER]]
func.func @operands_of_a_difference_may_not(%x: tensor<4xf32>, %y: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = fin.sub %x, %y : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = fin.sub %y, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: @attributes_tell_ops_apart
// CHECK: fin.sum
// CHECK-NEXT: fin.sum
// CHECK-NEXT: return
func.func @attributes_tell_ops_apart(%x: tensor<4x4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = fin.sum %x {axes = array<i64: 0>, keepdims = false} : (tensor<4x4xf32>) -> tensor<4xf32>
  %1 = fin.sum %x {axes = array<i64: 1>, keepdims = false} : (tensor<4x4xf32>) -> tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: @result_types_tell_ops_apart
// CHECK: fin.cast
// CHECK-NEXT: fin.cast
// CHECK-NEXT: return
func.func @result_types_tell_ops_apart(%x: tensor<4xf32>) -> (tensor<4xf64>, tensor<4xi64>) {
  %0 = fin.cast %x {dtype = f64} : (tensor<4xf32>) -> tensor<4xf64>
  %1 = fin.cast %x {dtype = i64} : (tensor<4xf32>) -> tensor<4xi64>
  return %0, %1 : tensor<4xf64>, tensor<4xi64>
}

// CHECK-LABEL: @effects_happen_as_often_as_written
// CHECK: fin.print
// CHECK: fin.print
func.func @effects_happen_as_often_as_written(%x: tensor<4xf32>) {
  fin.print %x {message = "x"} : (tensor<4xf32>) -> ()
  fin.print %x {message = "x"} : (tensor<4xf32>) -> ()
  return
}

// CHECK-LABEL: @what_nobody_reads_is_erased
// CHECK-NEXT: return %arg0
func.func @what_nobody_reads_is_erased(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = fin.exp %x : (tensor<4xf32>) -> tensor<4xf32>
  return %x : tensor<4xf32>
}
