// SPDX-License-Identifier: Apache-2.0
// RUN: tinyfin-opt %s --fin-fold-constants | FileCheck %s
// RUN: tinyfin-opt %s --fin-fold-constants=limit-bytes=8 | FileCheck %s --check-prefix=LIMIT

// CHECK-LABEL: @arithmetic_on_constants
// CHECK: fin.constant dense<[4.000000e+00, 8.000000e+00, 1.200000e+01]>
// LIMIT-LABEL: @arithmetic_on_constants
// LIMIT: fin.mul
func.func @arithmetic_on_constants() -> tensor<3xf32> {
  %0 = fin.constant dense<[1.0, 2.0, 3.0]> : tensor<3xf32>
  %1 = fin.constant dense<4.0> : tensor<f32>
  %2 = fin.mul %0, %1 : (tensor<3xf32>, tensor<f32>) -> tensor<3xf32>
  return %2 : tensor<3xf32>
}

// CHECK-LABEL: @splats_stay_small
// CHECK: fin.constant dense<3.000000e+00> : tensor<64xf32>
func.func @splats_stay_small() -> tensor<64xf32> {
  %0 = fin.constant dense<1.0> : tensor<64xf32>
  %1 = fin.constant dense<2.0> : tensor<64xf32>
  %2 = fin.add %0, %1 : (tensor<64xf32>, tensor<64xf32>) -> tensor<64xf32>
  return %2 : tensor<64xf32>
}

// CHECK-LABEL: @bools
// CHECK: fin.constant dense<[true, false]>
func.func @bools() -> tensor<2xi1> {
  %0 = fin.constant dense<[1, 5]> : tensor<2xi64>
  %1 = fin.constant dense<3> : tensor<i64>
  %2 = fin.lt %0, %1 : (tensor<2xi64>, tensor<i64>) -> tensor<2xi1>
  return %2 : tensor<2xi1>
}

// CHECK-LABEL: @repetition_stays
// CHECK: fin.broadcast
// CHECK: fin.iota
func.func @repetition_stays() -> (tensor<64xf32>, tensor<8xi64>) {
  %0 = fin.constant dense<1.0> : tensor<f32>
  %1 = fin.broadcast %0 {shape = [64]} : (tensor<f32>) -> tensor<64xf32>
  %2 = fin.iota {shape = [8], axis = 0, dtype = i64} : () -> tensor<8xi64>
  return %1, %2 : tensor<64xf32>, tensor<8xi64>
}

// An index out of range must fail when the graph runs.
// CHECK-LABEL: @failures_stay
// CHECK: fin.gather
func.func @failures_stay() -> tensor<1xf32> {
  %0 = fin.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %1 = fin.constant dense<7> : tensor<1xi64>
  %2 = fin.gather %0, %1 {axis = 0} : (tensor<2xf32>, tensor<1xi64>) -> tensor<1xf32>
  return %2 : tensor<1xf32>
}

// CHECK-LABEL: @random_stays
// CHECK: fin.uniform
func.func @random_stays() -> tensor<4xf32> {
  %0 = fin.constant dense<[1, 2]> : tensor<2xi64>
  %1 = fin.uniform %0 {shape = [4], dtype = f32, offset = 0} : (tensor<2xi64>) -> tensor<4xf32>
  return %1 : tensor<4xf32>
}

// CHECK-LABEL: @arguments_stay
// CHECK: fin.exp
func.func @arguments_stay(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = fin.exp %x : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
