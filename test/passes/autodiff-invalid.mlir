// SPDX-License-Identifier: Apache-2.0
// RUN: tinyfin-opt %s --fin-autodiff --verify-diagnostics

func.func @fusion_regions_are_not_recorded_ops(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{'fin.fusion' op has no derivative, wanted recorded ops only}}
  %0 = fin.fusion "map" (%a = %x : tensor<4xf32>) -> (tensor<4xf32>) {
    %1 = fin.exp %a : (tensor<4xf32>) -> tensor<4xf32>
    fin.yield %1 : tensor<4xf32>
  }
  return %0 : tensor<4xf32>
}
