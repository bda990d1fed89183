// SPDX-License-Identifier: Apache-2.0
// A row's element at the position of its label is read, not looked for in the whole row. A long row's maximum and the sum
// of its exponentials are made by one loop.
// RUN: tinyfin-opt %s --fin-emit-cpu-kernels=cpu=x86-64-v4 | FileCheck %s
// RUN: env TINYFIN_DISABLE=online-sums tinyfin-opt %s --fin-emit-cpu-kernels=cpu=x86-64-v4 | FileCheck %s --check-prefix=TWICE
// RUN: env TINYFIN_DISABLE=pick-elements tinyfin-opt %s --fin-emit-cpu-kernels=cpu=x86-64-v4 | FileCheck %s --check-prefix=OFF

// CHECK-LABEL: func.func @k0
// CHECK-NOT: vector<16xi32>
// CHECK: "llvm.intr.prefetch"({{.*}}hint = 2
// CHECK-NOT: vector<16xi32>
// CHECK-LABEL: func.func @k1
// CHECK: arith.cmpi eq, {{.*}} : vector<16xi32>
// CHECK-LABEL: func.func @k2
// CHECK: scf.for
// CHECK: scf.for
// CHECK: scf.if
// CHECK-NOT: scf.for
// CHECK-LABEL: func.func @k3
// CHECK-COUNT-3: scf.for
// TWICE-LABEL: func.func @k2
// TWICE-NOT: scf.if
// OFF-LABEL: func.func @k0
// OFF: arith.cmpi eq, {{.*}} : vector<16xi32>
func.func @main(%x: tensor<64x5000xf32>, %y: tensor<64x1000xf32>, %labels: tensor<64x1xi64>) -> (tensor<64x1xf32>, tensor<64x1xf32>, tensor<64x1xf32>, tensor<64x1xf32>) {
  %reads = fin.fusion "normalization" (%l = %labels : tensor<64x1xi64>, %a = %x : tensor<64x5000xf32>) -> (tensor<64x1xf32>)
      attributes {fin.domain = array<i64: 64, 5000>, fin.reduced_axes = array<i64: 1>} {
    %i = fin.iota {axis = 1 : i64, dtype = i64, shape = [1, 5000]} : () -> tensor<1x5000xi64>
    %is = fin.eq %i, %l : (tensor<1x5000xi64>, tensor<64x1xi64>) -> tensor<64x5000xi1>
    %zero = fin.constant dense<0.000000e+00> : tensor<f32>
    %only = fin.select %is, %a, %zero : (tensor<64x5000xi1>, tensor<64x5000xf32>, tensor<f32>) -> tensor<64x5000xf32>
    %picked = fin.sum %only {axes = array<i64: 1>, keepdims = true} : (tensor<64x5000xf32>) -> tensor<64x1xf32>
    %top = fin.reduce_max %a {axes = array<i64: 1>, keepdims = true} : (tensor<64x5000xf32>) -> tensor<64x1xf32>
    %shifted = fin.sub %a, %top : (tensor<64x5000xf32>, tensor<64x1xf32>) -> tensor<64x5000xf32>
    %powers = fin.square %shifted : (tensor<64x5000xf32>) -> tensor<64x5000xf32>
    %sum = fin.sum %powers {axes = array<i64: 1>, keepdims = true} : (tensor<64x5000xf32>) -> tensor<64x1xf32>
    %loss = fin.sub %sum, %picked : (tensor<64x1xf32>, tensor<64x1xf32>) -> tensor<64x1xf32>
    fin.yield %loss : tensor<64x1xf32>
  }
  // What is chosen elsewhere is not 0: every element counts.
  %walks = fin.fusion "reduction" (%l = %labels : tensor<64x1xi64>, %a = %x : tensor<64x5000xf32>) -> (tensor<64x1xf32>)
      attributes {fin.domain = array<i64: 64, 5000>, fin.reduced_axes = array<i64: 1>} {
    %i = fin.iota {axis = 1 : i64, dtype = i64, shape = [1, 5000]} : () -> tensor<1x5000xi64>
    %is = fin.eq %i, %l : (tensor<1x5000xi64>, tensor<64x1xi64>) -> tensor<64x5000xi1>
    %one = fin.constant dense<1.000000e+00> : tensor<f32>
    %only = fin.select %is, %a, %one : (tensor<64x5000xi1>, tensor<64x5000xf32>, tensor<f32>) -> tensor<64x5000xf32>
    %picked = fin.sum %only {axes = array<i64: 1>, keepdims = true} : (tensor<64x5000xf32>) -> tensor<64x1xf32>
    fin.yield %picked : tensor<64x1xf32>
  }
  %online = fin.fusion "normalization" (%a = %x : tensor<64x5000xf32>) -> (tensor<64x1xf32>)
      attributes {fin.domain = array<i64: 64, 5000>, fin.reduced_axes = array<i64: 1>} {
    %top = fin.reduce_max %a {axes = array<i64: 1>, keepdims = true} : (tensor<64x5000xf32>) -> tensor<64x1xf32>
    %shifted = fin.sub %a, %top : (tensor<64x5000xf32>, tensor<64x1xf32>) -> tensor<64x5000xf32>
    %powers = fin.exp %shifted : (tensor<64x5000xf32>) -> tensor<64x5000xf32>
    %sum = fin.sum %powers {axes = array<i64: 1>, keepdims = true} : (tensor<64x5000xf32>) -> tensor<64x1xf32>
    fin.yield %sum : tensor<64x1xf32>
  }
  // Short rows stay in the nearest cache: two loops.
  %twice = fin.fusion "normalization" (%a = %y : tensor<64x1000xf32>) -> (tensor<64x1xf32>)
      attributes {fin.domain = array<i64: 64, 1000>, fin.reduced_axes = array<i64: 1>} {
    %top = fin.reduce_max %a {axes = array<i64: 1>, keepdims = true} : (tensor<64x1000xf32>) -> tensor<64x1xf32>
    %shifted = fin.sub %a, %top : (tensor<64x1000xf32>, tensor<64x1xf32>) -> tensor<64x1000xf32>
    %powers = fin.exp %shifted : (tensor<64x1000xf32>) -> tensor<64x1000xf32>
    %sum = fin.sum %powers {axes = array<i64: 1>, keepdims = true} : (tensor<64x1000xf32>) -> tensor<64x1xf32>
    fin.yield %sum : tensor<64x1xf32>
  }
  return %reads, %walks, %online, %twice : tensor<64x1xf32>, tensor<64x1xf32>, tensor<64x1xf32>, tensor<64x1xf32>
}
