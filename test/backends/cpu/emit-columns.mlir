// SPDX-License-Identifier: Apache-2.0
// Columns of what is dear to compute are summed in memory, a row of many columns at a time; others in registers.
// RUN: tinyfin-opt %s --fin-emit-cpu-kernels=cpu=x86-64-v4 | FileCheck %s
// RUN: env TINYFIN_DISABLE=wide-columns tinyfin-opt %s --fin-emit-cpu-kernels=cpu=x86-64-v4 | FileCheck %s --check-prefix=OFF
// OFF-NOT: llvm.alloca

// CHECK-LABEL: func.func @k0
// CHECK: llvm.alloca
// CHECK-LABEL: func.func @k1
// CHECK-NOT: llvm.alloca
func.func @main(%x: tensor<64x5000xf32>) -> (tensor<5000xf32>, tensor<5000xf32>) {
  %dear = fin.fusion "reduction" (%a = %x : tensor<64x5000xf32>) -> (tensor<5000xf32>)
      attributes {fin.domain = array<i64: 64, 5000>, fin.reduced_axes = array<i64: 0>} {
    %powers = fin.exp %a : (tensor<64x5000xf32>) -> tensor<64x5000xf32>
    %sum = fin.sum %powers {axes = array<i64: 0>, keepdims = false} : (tensor<64x5000xf32>) -> tensor<5000xf32>
    fin.yield %sum : tensor<5000xf32>
  }
  %cheap = fin.fusion "reduction" (%a = %x : tensor<64x5000xf32>) -> (tensor<5000xf32>)
      attributes {fin.domain = array<i64: 64, 5000>, fin.reduced_axes = array<i64: 0>} {
    %squares = fin.square %a : (tensor<64x5000xf32>) -> tensor<64x5000xf32>
    %sum = fin.sum %squares {axes = array<i64: 0>, keepdims = false} : (tensor<64x5000xf32>) -> tensor<5000xf32>
    fin.yield %sum : tensor<5000xf32>
  }
  return %dear, %cheap : tensor<5000xf32>, tensor<5000xf32>
}
