// SPDX-License-Identifier: Apache-2.0
// RUN: tinyfin-opt %s -split-input-file --pass-pipeline='builtin.module(func.func(fin-fuse-regions),fin-emit-cpu-kernels)' | FileCheck %s
// RUN: tinyfin-opt %s -split-input-file --pass-pipeline='builtin.module(func.func(fin-fuse-regions),fin-emit-cpu-kernels{cpu=x86-64-v3})' | FileCheck %s --check-prefix=V3

// A contiguous map is one flat loop over whole vectors and one masked tail.
// CHECK-LABEL: func.func @k0(%arg0: !llvm.ptr, %arg1: !llvm.ptr, %arg2: i64, %arg3: i64)
// CHECK: scf.for
// CHECK: llvm.load {{.*}} -> vector<16xf32>
// CHECK: arith.addf {{.*}} fastmath<contract> : vector<16xf32>
// CHECK: llvm.store
// CHECK: scf.for
// CHECK: llvm.intr.masked.load
// CHECK: llvm.intr.masked.store
// CHECK-NOT: scf.for
// CHECK: return
// V3-LABEL: func.func @k0
// V3: llvm.load {{.*}} -> vector<8xf32>
func.func @contiguous_maps_are_flat(%x: tensor<5x1000xf32>, %y: tensor<5x1000xf32>) -> tensor<5x1000xf32> {
  %0 = fin.add %x, %y : (tensor<5x1000xf32>, tensor<5x1000xf32>) -> tensor<5x1000xf32>
  return %0 : tensor<5x1000xf32>
}

// -----

// A row is 32 elements: two whole vectors, no loop inside that over rows, no mask.
// CHECK-LABEL: func.func @k0
// CHECK: scf.for
// CHECK-NOT: scf.for
// CHECK-NOT: masked
// CHECK: vector.reduction <add>
// CHECK-NOT: scf.for
// CHECK: return
func.func @short_rows_are_straight_code(%x: tensor<64x32xf32>) -> tensor<64xf32> {
  %0 = fin.sum %x {axes = array<i64: 1>, keepdims = false} : (tensor<64x32xf32>) -> tensor<64xf32>
  return %0 : tensor<64xf32>
}

// -----

// Columns are summed in registers: no lanes are added up.
// CHECK-LABEL: func.func @k0
// CHECK: scf.for
// CHECK: scf.for {{.*}} iter_args
// CHECK: arith.addf
// CHECK: scf.yield
// CHECK-NOT: vector.reduction
// CHECK: return
func.func @columns_stay_in_registers(%x: tensor<640x64xf32>) -> tensor<64xf32> {
  %0 = fin.sum %x {axes = array<i64: 0>, keepdims = false} : (tensor<640x64xf32>) -> tensor<64xf32>
  return %0 : tensor<64xf32>
}

// -----

// exp is a polynomial, and its row is held in memory between the loops.
// CHECK-LABEL: func.func @k0
// CHECK: llvm.alloca {{.*}} x f32 {alignment = 64 : i64}
// CHECK-NOT: math.exp
// CHECK: arith.cmpf ogt
// CHECK-NOT: math.exp
// CHECK: return
func.func @exponentials_are_computed_once(%x: tensor<64x300xf32>) -> tensor<64x300xf32> {
  %0 = fin.reduce_max %x {axes = array<i64: 1>, keepdims = true} : (tensor<64x300xf32>) -> tensor<64x1xf32>
  %1 = fin.sub %x, %0 : (tensor<64x300xf32>, tensor<64x1xf32>) -> tensor<64x300xf32>
  %2 = fin.exp %1 : (tensor<64x300xf32>) -> tensor<64x300xf32>
  %3 = fin.sum %2 {axes = array<i64: 1>, keepdims = true} : (tensor<64x300xf32>) -> tensor<64x1xf32>
  %4 = fin.div %2, %3 : (tensor<64x300xf32>, tensor<64x1xf32>) -> tensor<64x300xf32>
  return %4 : tensor<64x300xf32>
}
