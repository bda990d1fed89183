// SPDX-License-Identifier: Apache-2.0
func.func @main(%x: tensor<?xf32, #fin.tensor<["N"]>>) -> tensor<?xf32, #fin.tensor<["N"]>> {
  %0 = fin.exp %x : (tensor<?xf32, #fin.tensor<["N"]>>) -> tensor<?xf32, #fin.tensor<["N"]>>
  return %0 : tensor<?xf32, #fin.tensor<["N"]>>
}
