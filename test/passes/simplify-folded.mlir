// SPDX-License-Identifier: Apache-2.0
// What folding uncovers is simplified, although the function was simplified before.
// RUN: tinyfin-opt %s --fin-optimize | FileCheck %s
// RUN: env TINYFIN_DISABLE=fold-constants tinyfin-opt %s --fin-optimize | FileCheck %s --check-prefix=UNKNOWN

// CHECK-LABEL: @a_folded_divisor_becomes_a_factor
// CHECK: fin.mul %arg0
// UNKNOWN-LABEL: @a_folded_divisor_becomes_a_factor
// UNKNOWN: fin.exp
// UNKNOWN: fin.div %arg0
func.func @a_folded_divisor_becomes_a_factor(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c = fin.constant dense<1.0> : tensor<f32>
  %0 = fin.exp %c : (tensor<f32>) -> tensor<f32>
  %1 = fin.div %x, %0 : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  return %1 : tensor<4xf32>
}
