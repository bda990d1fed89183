// SPDX-License-Identifier: Apache-2.0
// Each phase by name, passes switched off by their stem, and a file for each pass that ran.
// RUN: tinyfin-opt %s --fin-optimize --fin-specialize --fin-fuse --fin-plan | FileCheck %s
// RUN: env TINYFIN_DISABLE=decompose tinyfin-opt %s --fin-optimize | FileCheck %s --check-prefix=WHOLE
// RUN: env TINYFIN_DISABLE=cse,fuse-regions tinyfin-opt %s --fin-optimize --fin-fuse | FileCheck %s --check-prefix=UNFUSED
// RUN: tinyfin-opt %s --fin-plan | FileCheck %s --check-prefix=ALIAS
// RUN: env TINYFIN_DISABLE=alias-outputs tinyfin-opt %s --fin-plan | FileCheck %s --check-prefix=APART
// RUN: rm -rf %t && env TINYFIN_DUMP=%t tinyfin-opt %s --fin-interpret > /dev/null && ls %t | FileCheck %s --check-prefix=DUMP

// CHECK: fin.fusion "normalization"
// CHECK-NOT: fin.softmax
// ALIAS: fin.alias
// WHOLE: fin.softmax
// UNFUSED-NOT: fin.fusion
// UNFUSED: fin.exp
// APART-NOT: fin.alias
// DUMP: 000-erase-dead.mlir
// DUMP-NEXT: 001-alias-outputs.mlir
// DUMP-NEXT: 002-plan-memory.mlir
func.func @main(%x: tensor<16x8xf32>) -> tensor<16x8xf32> {
  %0 = fin.softmax %x {axis = 1} : (tensor<16x8xf32>) -> tensor<16x8xf32>
  %1 = fin.neg %0 : (tensor<16x8xf32>) -> tensor<16x8xf32>
  return %1 : tensor<16x8xf32>
}
