// SPDX-License-Identifier: Apache-2.0
// Rows that are normalized take the memory of what they are made of.
// RUN: tinyfin-opt %s --fin-fuse-regions --fin-plan-memory | FileCheck %s
// RUN: tinyfin-opt %s --fin-fuse-regions --fin-plan-memory="overwrite-rows=false" | FileCheck %s --check-prefix=OFF

// Each element is read for the last time where the row's result is written.
// CHECK-LABEL: @rows_are_overwritten
// CHECK-SAME: fin.arena_bytes = 8192 : i64
// CHECK: fin.matmul %{{.*}} {fin.offsets = array<i64: 0>
// CHECK: fin.fusion "normalization"{{.*}}fin.offsets = array<i64: 0>
// OFF-LABEL: @rows_are_overwritten
// OFF-SAME: fin.arena_bytes = 16384 : i64
func.func @rows_are_overwritten(%x: tensor<32x32xf32>, %y: tensor<32x64xf32>, %w: tensor<64x8xf32>) -> tensor<32x8xf32> {
  %0 = fin.matmul %x, %y {transpose_lhs = false, transpose_rhs = false} : (tensor<32x32xf32>, tensor<32x64xf32>) -> tensor<32x64xf32>
  %1 = fin.reduce_max %0 {axes = array<i64: 1>, keepdims = true} : (tensor<32x64xf32>) -> tensor<32x1xf32>
  %2 = fin.sub %0, %1 : (tensor<32x64xf32>, tensor<32x1xf32>) -> tensor<32x64xf32>
  %3 = fin.exp %2 : (tensor<32x64xf32>) -> tensor<32x64xf32>
  %4 = fin.sum %3 {axes = array<i64: 1>, keepdims = true} : (tensor<32x64xf32>) -> tensor<32x1xf32>
  %5 = fin.div %3, %4 : (tensor<32x64xf32>, tensor<32x1xf32>) -> tensor<32x64xf32>
  %9 = fin.matmul %5, %w {transpose_lhs = false, transpose_rhs = false} : (tensor<32x64xf32>, tensor<64x8xf32>) -> tensor<32x8xf32>
  return %9 : tensor<32x8xf32>
}

// Of columns several are read before the first is written.
// CHECK-LABEL: @columns_are_not
// CHECK-SAME: fin.arena_bytes = 16384 : i64
func.func @columns_are_not(%x: tensor<32x32xf32>, %y: tensor<32x64xf32>, %w: tensor<64x8xf32>) -> tensor<32x8xf32> {
  %0 = fin.matmul %x, %y {transpose_lhs = false, transpose_rhs = false} : (tensor<32x32xf32>, tensor<32x64xf32>) -> tensor<32x64xf32>
  %1 = fin.reduce_max %0 {axes = array<i64: 0>, keepdims = true} : (tensor<32x64xf32>) -> tensor<1x64xf32>
  %2 = fin.sub %0, %1 : (tensor<32x64xf32>, tensor<1x64xf32>) -> tensor<32x64xf32>
  %3 = fin.exp %2 : (tensor<32x64xf32>) -> tensor<32x64xf32>
  %4 = fin.sum %3 {axes = array<i64: 0>, keepdims = true} : (tensor<32x64xf32>) -> tensor<1x64xf32>
  %5 = fin.div %3, %4 : (tensor<32x64xf32>, tensor<1x64xf32>) -> tensor<32x64xf32>
  %9 = fin.matmul %5, %w {transpose_lhs = false, transpose_rhs = false} : (tensor<32x64xf32>, tensor<64x8xf32>) -> tensor<32x8xf32>
  return %9 : tensor<32x8xf32>
}

// The product is read once more behind.
// CHECK-LABEL: @what_is_read_later_is_not
// CHECK-SAME: fin.arena_bytes = 32768 : i64
func.func @what_is_read_later_is_not(%x: tensor<32x32xf32>, %y: tensor<32x64xf32>, %w: tensor<64x8xf32>) -> tensor<32x8xf32> {
  %0 = fin.matmul %x, %y {transpose_lhs = false, transpose_rhs = false} : (tensor<32x32xf32>, tensor<32x64xf32>) -> tensor<32x64xf32>
  %1 = fin.reduce_max %0 {axes = array<i64: 1>, keepdims = true} : (tensor<32x64xf32>) -> tensor<32x1xf32>
  %2 = fin.sub %0, %1 : (tensor<32x64xf32>, tensor<32x1xf32>) -> tensor<32x64xf32>
  %3 = fin.exp %2 : (tensor<32x64xf32>) -> tensor<32x64xf32>
  %4 = fin.sum %3 {axes = array<i64: 1>, keepdims = true} : (tensor<32x64xf32>) -> tensor<32x1xf32>
  %5 = fin.div %3, %4 : (tensor<32x64xf32>, tensor<32x1xf32>) -> tensor<32x64xf32>
  %t = fin.transpose %0 {permutation = array<i64: 1, 0>} : (tensor<32x64xf32>) -> tensor<64x32xf32>
  %s = fin.matmul %t, %5 {transpose_lhs = false, transpose_rhs = false} : (tensor<64x32xf32>, tensor<32x64xf32>) -> tensor<64x64xf32>
  %6 = fin.matmul %5, %s {transpose_lhs = false, transpose_rhs = false} : (tensor<32x64xf32>, tensor<64x64xf32>) -> tensor<32x64xf32>
  %9 = fin.matmul %6, %w {transpose_lhs = false, transpose_rhs = false} : (tensor<32x64xf32>, tensor<64x8xf32>) -> tensor<32x8xf32>
  return %9 : tensor<32x8xf32>
}
