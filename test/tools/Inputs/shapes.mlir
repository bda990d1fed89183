// SPDX-License-Identifier: Apache-2.0
func.func @main(%x: tensor<4xf32>) {
  %0 = fin.matmul %x, %x {transpose_lhs = false, transpose_rhs = false} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return
}
