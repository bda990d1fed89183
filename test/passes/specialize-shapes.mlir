// SPDX-License-Identifier: Apache-2.0
// RUN: tinyfin-opt %s --fin-specialize-shapes=dims=N=8 | FileCheck %s
// RUN: tinyfin-opt %s --fin-specialize-shapes | FileCheck %s --check-prefix=NONE
// RUN: not tinyfin-opt %s --fin-specialize-shapes=dims=M=8 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: not tinyfin-opt %s --fin-specialize-shapes=dims=N 2>&1 | FileCheck %s --check-prefix=MALFORMED

// UNKNOWN: error: specialize-shapes: no dim is named 'M'
// MALFORMED: error: specialize-shapes: found 'N', wanted NAME=SIZE

// CHECK-LABEL: @main(%arg0: tensor<8x4xf32>) -> tensor<32xf32>
// CHECK-NEXT: fin.exp %arg0 : (tensor<8x4xf32>) -> tensor<8x4xf32>
// CHECK-NEXT: fin.reshape %{{.*}} {shape = [32]} : (tensor<8x4xf32>) -> tensor<32xf32>
// NONE: fin.reshape %{{.*}} {shape = ["4*N"]}
func.func @main(%x: tensor<?x4xf32, #fin.tensor<["N", ""]>>) -> tensor<?xf32, #fin.tensor<["4*N"]>> {
  %0 = fin.exp %x : (tensor<?x4xf32, #fin.tensor<["N", ""]>>) -> tensor<?x4xf32, #fin.tensor<["N", ""]>>
  %1 = fin.reshape %0 {shape = ["4*N"]} : (tensor<?x4xf32, #fin.tensor<["N", ""]>>) -> tensor<?xf32, #fin.tensor<["4*N"]>>
  return %1 : tensor<?xf32, #fin.tensor<["4*N"]>>
}
