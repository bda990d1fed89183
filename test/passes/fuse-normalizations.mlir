// SPDX-License-Identifier: Apache-2.0
// RUN: tinyfin-opt %s --fin-decompose --cse --fin-fuse-regions | FileCheck %s

// CHECK-LABEL: @softmax
// CHECK: fin.fusion "normalization" (%{{.+}} = %arg0 : tensor<32x8xf32>) -> (tensor<32x8xf32>)
// CHECK-NOT: fin.fusion
func.func @softmax(%x: tensor<32x8xf32>) -> tensor<32x8xf32> {
  %0 = fin.softmax %x {axis = 1} : (tensor<32x8xf32>) -> tensor<32x8xf32>
  return %0 : tensor<32x8xf32>
}

// CHECK-LABEL: @layer_norm
// CHECK: fin.fusion "normalization" ({{.*}}) -> (tensor<32x1xf32>, tensor<32x1xf32>, tensor<32x8xf32>)
// CHECK-NOT: fin.fusion
func.func @layer_norm(%x: tensor<32x8xf32>, %w: tensor<8xf32>, %b: tensor<8xf32>) -> (tensor<32x8xf32>, tensor<32x1xf32>, tensor<32x1xf32>) {
  %0:3 = fin.layer_norm %x, %w, %b {axis = 1, eps = 1.0e-5 : f64} : (tensor<32x8xf32>, tensor<8xf32>, tensor<8xf32>) -> (tensor<32x8xf32>, tensor<32x1xf32>, tensor<32x1xf32>)
  return %0#0, %0#1, %0#2 : tensor<32x8xf32>, tensor<32x1xf32>, tensor<32x1xf32>
}

// A view of a kept value is copied into the region.
// CHECK-LABEL: @batch_norm
// CHECK: fin.fusion "normalization"
// CHECK-SAME: fin.reduced_axes = array<i64: 0, 2, 3>
// CHECK: fin.reshape
// CHECK: fin.yield
func.func @batch_norm(%x: tensor<4x32x8x8xf32>, %w: tensor<32xf32>, %b: tensor<32xf32>) -> tensor<4x32x8x8xf32> {
  %0:3 = fin.batch_norm %x, %w, %b {eps = 1.0e-5 : f64} : (tensor<4x32x8x8xf32>, tensor<32xf32>, tensor<32xf32>) -> (tensor<4x32x8x8xf32>, tensor<32xf32>, tensor<32xf32>)
  return %0#0 : tensor<4x32x8x8xf32>
}

// Two rows of a large tensor are too few to share among threads: the sum and the quotient are apart.
// CHECK-LABEL: @few_long_rows
// CHECK: fin.fusion "reduction"
// CHECK: fin.fusion "map"
func.func @few_long_rows(%x: tensor<2x100000xf32>) -> tensor<2x100000xf32> {
  %0 = fin.sum %x {axes = array<i64: 1>, keepdims = true} : (tensor<2x100000xf32>) -> tensor<2x1xf32>
  %1 = fin.div %x, %0 : (tensor<2x100000xf32>, tensor<2x1xf32>) -> tensor<2x100000xf32>
  return %1 : tensor<2x100000xf32>
}

// A sum without keepdims, read along the wrong axis, is not this row's sum.
// CHECK-LABEL: @kept_values_along_another_axis
// CHECK: fin.fusion "reduction"
// CHECK: fin.fusion "map"
func.func @kept_values_along_another_axis(%x: tensor<32x32xf32>) -> tensor<32x32xf32> {
  %0 = fin.sum %x {axes = array<i64: 1>, keepdims = false} : (tensor<32x32xf32>) -> tensor<32xf32>
  %1 = fin.div %x, %0 : (tensor<32x32xf32>, tensor<32xf32>) -> tensor<32x32xf32>
  return %1 : tensor<32x32xf32>
}
