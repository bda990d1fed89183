// SPDX-License-Identifier: Apache-2.0
// RUN: tinyfin-opt %s --fin-autodiff --fin-autodiff --fin-erase-dead | FileCheck %s

// CHECK-LABEL: func.func @derivatives_have_derivatives
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>, %[[DY:.*]]: tensor<4xf32>, %[[DY2:.*]]: tensor<4xf32>, %[[V:.*]]: tensor<4xf32>)
func.func @derivatives_have_derivatives(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: %[[SINE:.*]] = fin.sin %[[X]]
  // CHECK: %[[COSINE:.*]] = fin.cos %[[X]]
  // CHECK: %[[DX:.*]] = fin.mul %[[DY]], %[[COSINE]]
  // The derivative of dy * cos(x) by dy, times v:
  // CHECK: %[[BY_DY:.*]] = fin.mul %[[V]], %[[COSINE]]
  // CHECK: return %[[SINE]], %[[DX]], %{{.*}}, %[[BY_DY]]
  %0 = fin.sin %x : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
