// SPDX-License-Identifier: Apache-2.0
// RUN: tinyfin-opt %s --fin-decompose | FileCheck %s
// RUN: tinyfin-opt %s --fin-decompose=keep=softmax,gelu | FileCheck %s --check-prefix=KEEP
// RUN: not tinyfin-opt %s --fin-decompose=keep=exp 2>&1 | FileCheck %s --check-prefix=PRIMITIVE

// PRIMITIVE: decompose.mlir:[[#]]:[[#]]: error: decompose: found 'exp' in keep, wanted the mnemonic of a composite op

// CHECK-LABEL: @softmax
// CHECK-NOT: fin.softmax
// CHECK: fin.reduce_max
// CHECK: fin.exp
// CHECK: fin.sum
// CHECK: fin.div
// KEEP-LABEL: @softmax
// KEEP-NEXT: fin.softmax
func.func @softmax(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %0 = fin.softmax %x {axis = 1} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// What a rule emits is taken apart too: cross_entropy is defined by log_softmax.
// CHECK-LABEL: @composites_of_composites
// CHECK-NOT: fin.cross_entropy
// CHECK-NOT: fin.log_softmax
// CHECK: fin.assert
// CHECK: fin.log
func.func @composites_of_composites(%x: tensor<4x8xf32>, %y: tensor<4xi64>) -> tensor<f32> {
  %0 = fin.cross_entropy %x, %y {reduction = 1} : (tensor<4x8xf32>, tensor<4xi64>) -> tensor<f32>
  return %0 : tensor<f32>
}

// CHECK-LABEL: @primitives_stay
// CHECK-NEXT: fin.exp
// CHECK-NEXT: return
func.func @primitives_stay(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = fin.exp %x : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// CHECK-LABEL: @packed_attention
// CHECK-NOT: attention
// CHECK: fin.slice
// CHECK: fin.matmul
// CHECK: fin.exp
// CHECK: fin.matmul
func.func @packed_attention(%x: tensor<2x8x3x3x4xf32>) -> tensor<2x8x3x4xf32> {
  %y, %lse = fin.packed_attention %x {causal = true, scale = 0.5 : f64} : (tensor<2x8x3x3x4xf32>) -> (tensor<2x8x3x4xf32>, tensor<2x8x3xf32>)
  return %y : tensor<2x8x3x4xf32>
}
