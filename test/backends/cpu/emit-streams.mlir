// SPDX-License-Identifier: Apache-2.0
// Results far larger than the caches are stored past them; smaller ones are not.
// RUN: tinyfin-opt %s --fin-emit-cpu-kernels=cpu=x86-64-v4 | FileCheck %s
// RUN: env TINYFIN_DISABLE=stream-results tinyfin-opt %s --fin-emit-cpu-kernels=cpu=x86-64-v4 | FileCheck %s --check-prefix=OFF
// OFF-NOT: nontemporal

// CHECK-LABEL: func.func @k0
// CHECK: scf.if
// CHECK: llvm.intr.prefetch
// CHECK: nontemporal
// CHECK: llvm.x86.sse.sfence
// CHECK: } else {
// CHECK-NOT: nontemporal
// CHECK-LABEL: func.func @k1
// CHECK-NOT: nontemporal
func.func @main(%x: tensor<16777216xf32>, %y: tensor<16384xf32>) -> (tensor<16777216xf32>, tensor<16384xf32>) {
  %0 = fin.fusion "map" (%a = %x : tensor<16777216xf32>) -> (tensor<16777216xf32>) {
    %1 = fin.neg %a : (tensor<16777216xf32>) -> tensor<16777216xf32>
    fin.yield %1 : tensor<16777216xf32>
  }
  %2 = fin.fusion "map" (%a = %y : tensor<16384xf32>) -> (tensor<16384xf32>) {
    %1 = fin.neg %a : (tensor<16384xf32>) -> tensor<16384xf32>
    fin.yield %1 : tensor<16384xf32>
  }
  return %0, %2 : tensor<16777216xf32>, tensor<16384xf32>
}
