// SPDX-License-Identifier: Apache-2.0
// RUN: tinyfin-opt %s --fin-emit-cpu-kernels -verify-diagnostics -o /dev/null

func.func @integer_division(%x: tensor<4xi64>, %y: tensor<4xi64>) -> tensor<4xi64> {
  // expected-error@+1 {{has no kernel: integer division, whose zero divisors are an error}}
  %0 = fin.fusion "map" (%a = %x : tensor<4xi64>, %b = %y : tensor<4xi64>) -> (tensor<4xi64>) attributes {fin.domain = array<i64: 4>, fin.reduced_axes = array<i64>} {
    %1 = fin.div %a, %b : (tensor<4xi64>, tensor<4xi64>) -> tensor<4xi64>
    fin.yield %1 : tensor<4xi64>
  }
  return %0 : tensor<4xi64>
}
