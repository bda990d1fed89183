// SPDX-License-Identifier: Apache-2.0
// A right operand that is stored transposed is turned in memory of the thread where that is cheap for its rows; elsewhere
// dot products are summed over lanes.
// RUN: tinyfin-opt %s --fin-emit-cpu-kernels=cpu=x86-64-v4 | FileCheck %s
// RUN: env TINYFIN_DISABLE=turn-operands tinyfin-opt %s --fin-emit-cpu-kernels=cpu=x86-64-v4 | FileCheck %s --check-prefix=OFF
// OFF-NOT: vector.shuffle

// CHECK-LABEL: func.func @k0
// CHECK: vector.shuffle
// CHECK-NOT: vector.reduction
// CHECK-LABEL: func.func @k1
// CHECK-NOT: vector.shuffle
// CHECK: vector.reduction <add>
func.func @main(%x: tensor<16x64xf32>, %w: tensor<64x64xf32>, %few: tensor<3x64xf32>) -> (tensor<16x64xf32>, tensor<3x64xf32>) {
  %turned = fin.fusion "contraction" (%a = %x : tensor<16x64xf32>, %b = %w : tensor<64x64xf32>) -> (tensor<16x64xf32>)
      attributes {fin.domain = array<i64: 16, 64>, fin.reduced_axes = array<i64>} {
    %0 = fin.matmul %a, %b {transpose_lhs = false, transpose_rhs = true} : (tensor<16x64xf32>, tensor<64x64xf32>) -> tensor<16x64xf32>
    %1 = fin.relu %0 : (tensor<16x64xf32>) -> tensor<16x64xf32>
    fin.yield %1 : tensor<16x64xf32>
  }
  %dots = fin.fusion "contraction" (%a = %few : tensor<3x64xf32>, %b = %w : tensor<64x64xf32>) -> (tensor<3x64xf32>)
      attributes {fin.domain = array<i64: 3, 64>, fin.reduced_axes = array<i64>} {
    %0 = fin.matmul %a, %b {transpose_lhs = false, transpose_rhs = true} : (tensor<3x64xf32>, tensor<64x64xf32>) -> tensor<3x64xf32>
    %1 = fin.relu %0 : (tensor<3x64xf32>) -> tensor<3x64xf32>
    fin.yield %1 : tensor<3x64xf32>
  }
  return %turned, %dots : tensor<16x64xf32>, tensor<3x64xf32>
}
