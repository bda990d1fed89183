// SPDX-License-Identifier: Apache-2.0
// RUN: tinyfin-opt %s --fin-simplify | FileCheck %s

// CHECK-LABEL: @reduce_all_ignores_shape
// CHECK-NEXT: fin.sum %arg0 {axes = array<i64: 0, 1>
func.func @reduce_all_ignores_shape(%x: tensor<4x8xf32>) -> tensor<f32> {
  %0 = fin.reshape %x {shape = [32]} : (tensor<4x8xf32>) -> tensor<32xf32>
  %1 = fin.sum %0 {axes = array<i64: 0>, keepdims = false} : (tensor<32xf32>) -> tensor<f32>
  return %1 : tensor<f32>
}

// CHECK-LABEL: @unit_axes
// CHECK-NEXT: fin.reshape %arg0 {shape = [8]}
func.func @unit_axes(%x: tensor<1x8xf32>) -> tensor<8xf32> {
  %0 = fin.mean %x {axes = array<i64: 0>, keepdims = false} : (tensor<1x8xf32>) -> tensor<8xf32>
  return %0 : tensor<8xf32>
}

// CHECK-LABEL: @one_after_the_other
// CHECK-NEXT: fin.sum %arg0 {axes = array<i64: 0, 2>, keepdims = false}
func.func @one_after_the_other(%x: tensor<4x8x2xf32>) -> tensor<8xf32> {
  %0 = fin.sum %x {axes = array<i64: 0>, keepdims = false} : (tensor<4x8x2xf32>) -> tensor<8x2xf32>
  %1 = fin.sum %0 {axes = array<i64: 1>, keepdims = false} : (tensor<8x2xf32>) -> tensor<8xf32>
  return %1 : tensor<8xf32>
}

// CHECK-LABEL: @different_reductions_stay
// CHECK-NEXT: fin.sum
// CHECK-NEXT: fin.reduce_max
func.func @different_reductions_stay(%x: tensor<4x8xf32>) -> tensor<f32> {
  %0 = fin.sum %x {axes = array<i64: 0>, keepdims = false} : (tensor<4x8xf32>) -> tensor<8xf32>
  %1 = fin.reduce_max %0 {axes = array<i64: 0>, keepdims = false} : (tensor<8xf32>) -> tensor<f32>
  return %1 : tensor<f32>
}
