// SPDX-License-Identifier: Apache-2.0
// RUN: tinyfin-opt %s --fin-simplify | FileCheck %s

// CHECK-LABEL: @product_with_itself
// CHECK-NEXT: fin.square %arg0
func.func @product_with_itself(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = fin.mul %x, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// fin.square takes floats only.
// CHECK-LABEL: @integer_product_stays
// CHECK-NEXT: fin.mul
func.func @integer_product_stays(%x: tensor<4xi64>) -> tensor<4xi64> {
  %0 = fin.mul %x, %x : (tensor<4xi64>, tensor<4xi64>) -> tensor<4xi64>
  return %0 : tensor<4xi64>
}

// CHECK-LABEL: @negations
// CHECK-NEXT: %[[NEG:.+]] = fin.neg %arg0
// CHECK-NEXT: %[[SUB:.+]] = fin.sub %arg0, %arg1
// CHECK-NEXT: %[[ADD:.+]] = fin.add %arg0, %arg1
// CHECK-NEXT: return %[[NEG]], %[[SUB]], %[[ADD]]
func.func @negations(%x: tensor<4xf32>, %y: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %c = fin.constant dense<-1.0> : tensor<f32>
  %0 = fin.mul %x, %c : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %n = fin.neg %y : (tensor<4xf32>) -> tensor<4xf32>
  %1 = fin.add %n, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %2 = fin.sub %x, %n : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0, %1, %2 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: @powers
// CHECK: fin.square
// CHECK: fin.reciprocal
// CHECK: fin.pow
func.func @powers(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %c2 = fin.constant dense<2.0> : tensor<f32>
  %cm1 = fin.constant dense<-1.0> : tensor<f32>
  %c3 = fin.constant dense<3.0> : tensor<f32>
  %0 = fin.pow %x, %c2 : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %1 = fin.pow %x, %cm1 : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %2 = fin.pow %x, %c3 : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  return %0, %1, %2 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: @division_by_a_constant
// CHECK: %[[C:.+]] = fin.constant dense<2.500000e-01>
// CHECK: fin.mul %arg0, %[[C]]
func.func @division_by_a_constant(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c = fin.constant dense<4.0> : tensor<f32>
  %0 = fin.div %x, %c : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// 1/0 is not a number to multiply by, nor is the reciprocal of a huge one; bf16 would lose too much.
// CHECK-LABEL: @other_divisions_stay
// CHECK-COUNT-3: fin.div
func.func @other_divisions_stay(%x: tensor<4xf32>, %h: tensor<4xbf16>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xbf16>) {
  %zero = fin.constant dense<0.0> : tensor<f32>
  %huge = fin.constant dense<3.0e38> : tensor<f32>
  %three = fin.constant dense<3.0> : tensor<bf16>
  %0 = fin.div %x, %zero : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %1 = fin.div %x, %huge : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %2 = fin.div %h, %three : (tensor<4xbf16>, tensor<bf16>) -> tensor<4xbf16>
  return %0, %1, %2 : tensor<4xf32>, tensor<4xf32>, tensor<4xbf16>
}

// CHECK-LABEL: @broadcast_becomes_implicit
// CHECK-NEXT: fin.add %arg0, %arg1 : (tensor<4x8xf32>, tensor<8xf32>)
func.func @broadcast_becomes_implicit(%x: tensor<4x8xf32>, %b: tensor<8xf32>) -> tensor<4x8xf32> {
  %0 = fin.broadcast %b {shape = [4, 8]} : (tensor<8xf32>) -> tensor<4x8xf32>
  %1 = fin.add %x, %0 : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  return %1 : tensor<4x8xf32>
}

// CHECK-LABEL: @broadcast_that_gives_the_shape_stays
// CHECK-NEXT: fin.broadcast
// CHECK-NEXT: fin.exp
func.func @broadcast_that_gives_the_shape_stays(%b: tensor<8xf32>) -> tensor<4x8xf32> {
  %0 = fin.broadcast %b {shape = [4, 8]} : (tensor<8xf32>) -> tensor<4x8xf32>
  %1 = fin.exp %0 : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %1 : tensor<4x8xf32>
}
