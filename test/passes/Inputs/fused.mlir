// SPDX-License-Identifier: Apache-2.0
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = fin.fusion "map" (%a = %x : tensor<4xf32>) -> (tensor<4xf32>) {
    %1 = fin.exp %a : (tensor<4xf32>) -> tensor<4xf32>
    fin.yield %1 : tensor<4xf32>
  }
  return %0 : tensor<4xf32>
}
