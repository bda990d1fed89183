// SPDX-License-Identifier: Apache-2.0
// The backend that is asked may refuse; the reason stays on the op.
// RUN: tinyfin-opt %s --fin-fuse | FileCheck %s --check-prefix=ALL
// RUN: tinyfin-opt %s --fin-fuse --target=cpu | FileCheck %s --check-prefix=CPU
// RUN: not tinyfin-opt %s --fin-fuse --target=tpu 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// UNKNOWN: tinyfin-opt: found backend 'tpu', wanted one of

// ALL: fin.fusion "map"
// ALL: fin.fusion "map"
// CPU: fin.div %arg0, %{{.+}} {fin.refusal = "{{.+}}"}
// CPU: fin.fusion "map"
// CPU: fin.exp
func.func @main(%x: tensor<4xi64>, %y: tensor<4xf32>) -> (tensor<4xi64>, tensor<4xf32>) {
  %c = fin.constant dense<3> : tensor<i64>
  %0 = fin.div %x, %c : (tensor<4xi64>, tensor<i64>) -> tensor<4xi64>
  %1 = fin.exp %y : (tensor<4xf32>) -> tensor<4xf32>
  return %0, %1 : tensor<4xi64>, tensor<4xf32>
}
