// SPDX-License-Identifier: Apache-2.0
// RUN: tinyfin-opt %s --fin-erase-dead | FileCheck %s

// CHECK-LABEL: @unread_ops_go
// CHECK-NEXT: return %arg0
func.func @unread_ops_go(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = fin.exp %x : (tensor<4xf32>) -> tensor<4xf32>
  %1 = fin.neg %0 : (tensor<4xf32>) -> tensor<4xf32>
  return %x : tensor<4xf32>
}

// CHECK-LABEL: @effects_and_what_they_read_stay
// CHECK-NEXT: fin.exp
// CHECK-NEXT: fin.print
func.func @effects_and_what_they_read_stay(%x: tensor<4xf32>) {
  %0 = fin.exp %x : (tensor<4xf32>) -> tensor<4xf32>
  fin.print %0 {message = "x"} : (tensor<4xf32>) -> ()
  return
}
