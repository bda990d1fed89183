// SPDX-License-Identifier: Apache-2.0
// One library computes batches of any size, on one thread and on several.
// RUN: %python %S/Inputs/check.py %s %t N=1,3,64 | FileCheck %s
// CHECK: N=1: 1 outputs agree
// CHECK: N=3: 1 outputs agree
// CHECK: N=64: 1 outputs agree
!batch = tensor<?x4xf32, #fin.tensor<["N", ""]>>
!hidden = tensor<?x3xf32, #fin.tensor<["N", ""]>>
func.func @main(%x: !batch {fin.name = "x"}, %bias: tensor<3xf32>) -> (!hidden {fin.name = "y"}) {
  %w = fin.constant dense<[[1.0, 2.0, 3.0], [0.5, -1.0, 2.0], [1.0, 1.0, 1.0], [-1.0, 0.0, 0.25]]> : tensor<4x3xf32>
  %0 = fin.matmul %x, %w {transpose_lhs = false, transpose_rhs = false} : (!batch, tensor<4x3xf32>) -> !hidden
  %1 = fin.add %0, %bias : (!hidden, tensor<3xf32>) -> !hidden
  %2 = fin.relu %1 : (!hidden) -> !hidden
  %3 = fin.softmax %2 {axis = 1 : i64} : (!hidden) -> !hidden
  return %3 : !hidden
}
