// SPDX-License-Identifier: Apache-2.0
// RUN: tinyfin-opt %s --fin-recompute | FileCheck %s
// RUN: tinyfin-opt %s --fin-recompute="budget-bytes=1000000" | FileCheck %s --check-prefix=BUDGET
// RUN: tinyfin-opt %s --fin-recompute --fin-fuse-regions | FileCheck %s --check-prefix=FUSED

// The activation waits for the last product: it is made again of what went into it, which waits too.
// CHECK-LABEL: @activations_are_computed_again
// CHECK: %[[H:.+]] = fin.matmul %arg0, %arg1
// CHECK: fin.exp %[[H]]
// CHECK: %[[AGAIN:.+]] = fin.exp %[[H]] {fin.late}
// CHECK-NEXT: fin.matmul %[[AGAIN]]
// CHECK: fin.mul %{{.*}}, %[[H]]
// BUDGET-LABEL: @activations_are_computed_again
// BUDGET-COUNT-1: fin.exp
// BUDGET-NOT: fin.exp
// The two are kernels of their own: one before the waiting, one behind it.
// FUSED-LABEL: @activations_are_computed_again
// FUSED: fin.fusion
// FUSED: fin.exp
// FUSED: fin.tanh
// FUSED: fin.fusion
// FUSED: fin.exp
func.func @activations_are_computed_again(%x: tensor<64x64xf32>, %w: tensor<64x64xf32>) -> (tensor<64x64xf32>, tensor<64x64xf32>) {
  %h = fin.matmul %x, %w {transpose_lhs = false, transpose_rhs = false} : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  %g = fin.exp %h : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %00 = fin.matmul %g, %w {transpose_lhs = false, transpose_rhs = false} : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  %01 = fin.tanh %00 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %02 = fin.tanh %01 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %03 = fin.tanh %02 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %04 = fin.tanh %03 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %05 = fin.tanh %04 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %06 = fin.tanh %05 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %07 = fin.tanh %06 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %08 = fin.tanh %07 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %09 = fin.tanh %08 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %10 = fin.tanh %09 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %11 = fin.tanh %10 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %12 = fin.tanh %11 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %13 = fin.tanh %12 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %14 = fin.tanh %13 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %15 = fin.tanh %14 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %16 = fin.tanh %15 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %17 = fin.tanh %16 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %18 = fin.tanh %17 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %19 = fin.tanh %18 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %20 = fin.tanh %19 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %21 = fin.tanh %20 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %22 = fin.tanh %21 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %23 = fin.tanh %22 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %24 = fin.tanh %23 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %25 = fin.tanh %24 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %26 = fin.tanh %25 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %27 = fin.tanh %26 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %28 = fin.tanh %27 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %29 = fin.tanh %28 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %30 = fin.tanh %29 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %31 = fin.tanh %30 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %32 = fin.tanh %31 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %33 = fin.tanh %32 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %34 = fin.tanh %33 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %35 = fin.tanh %34 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %36 = fin.tanh %35 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %37 = fin.tanh %36 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %38 = fin.tanh %37 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %39 = fin.tanh %38 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %40 = fin.tanh %39 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %dw = fin.matmul %g, %40 {transpose_lhs = true, transpose_rhs = false} : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  %dh = fin.mul %40, %h : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  return %dw, %dh : tensor<64x64xf32>, tensor<64x64xf32>
}

// A product is kept: only elementwise ops are done twice.
// BUDGET-LABEL: @products_are_kept
// CHECK-LABEL: @products_are_kept
// CHECK-COUNT-2: fin.matmul
// CHECK-NOT: fin.matmul
func.func @products_are_kept(%x: tensor<64x64xf32>, %w: tensor<64x64xf32>) -> tensor<64x64xf32> {
  %00 = fin.matmul %x, %w {transpose_lhs = false, transpose_rhs = false} : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  %01 = fin.tanh %00 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %02 = fin.tanh %01 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %03 = fin.tanh %02 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %04 = fin.tanh %03 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %05 = fin.tanh %04 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %06 = fin.tanh %05 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %07 = fin.tanh %06 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %08 = fin.tanh %07 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %09 = fin.tanh %08 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %10 = fin.tanh %09 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %11 = fin.tanh %10 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %12 = fin.tanh %11 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %13 = fin.tanh %12 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %14 = fin.tanh %13 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %15 = fin.tanh %14 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %16 = fin.tanh %15 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %17 = fin.tanh %16 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %18 = fin.tanh %17 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %19 = fin.tanh %18 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %20 = fin.tanh %19 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %21 = fin.tanh %20 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %22 = fin.tanh %21 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %23 = fin.tanh %22 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %24 = fin.tanh %23 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %25 = fin.tanh %24 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %26 = fin.tanh %25 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %27 = fin.tanh %26 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %28 = fin.tanh %27 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %29 = fin.tanh %28 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %30 = fin.tanh %29 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %31 = fin.tanh %30 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %32 = fin.tanh %31 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %33 = fin.tanh %32 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %34 = fin.tanh %33 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %35 = fin.tanh %34 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %36 = fin.tanh %35 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %37 = fin.tanh %36 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %38 = fin.tanh %37 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %39 = fin.tanh %38 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %40 = fin.tanh %39 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %y = fin.matmul %00, %40 {transpose_lhs = false, transpose_rhs = false} : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  return %y : tensor<64x64xf32>
}

// Nothing is saved where the operand would have to wait instead.
// CHECK-LABEL: @the_nearest_value_is_kept
// CHECK-COUNT-1: fin.exp
// CHECK-NOT: fin.exp
func.func @the_nearest_value_is_kept(%x: tensor<64x64xf32>, %w: tensor<64x64xf32>) -> tensor<64x64xf32> {
  %h = fin.matmul %x, %w {transpose_lhs = false, transpose_rhs = false} : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  %00 = fin.exp %h : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %01 = fin.tanh %00 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %02 = fin.tanh %01 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %03 = fin.tanh %02 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %04 = fin.tanh %03 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %05 = fin.tanh %04 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %06 = fin.tanh %05 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %07 = fin.tanh %06 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %08 = fin.tanh %07 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %09 = fin.tanh %08 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %10 = fin.tanh %09 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %11 = fin.tanh %10 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %12 = fin.tanh %11 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %13 = fin.tanh %12 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %14 = fin.tanh %13 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %15 = fin.tanh %14 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %16 = fin.tanh %15 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %17 = fin.tanh %16 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %18 = fin.tanh %17 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %19 = fin.tanh %18 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %20 = fin.tanh %19 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %21 = fin.tanh %20 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %22 = fin.tanh %21 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %23 = fin.tanh %22 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %24 = fin.tanh %23 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %25 = fin.tanh %24 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %26 = fin.tanh %25 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %27 = fin.tanh %26 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %28 = fin.tanh %27 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %29 = fin.tanh %28 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %30 = fin.tanh %29 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %31 = fin.tanh %30 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %32 = fin.tanh %31 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %33 = fin.tanh %32 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %34 = fin.tanh %33 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %35 = fin.tanh %34 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %36 = fin.tanh %35 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %37 = fin.tanh %36 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %38 = fin.tanh %37 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %39 = fin.tanh %38 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %40 = fin.tanh %39 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %y = fin.matmul %00, %40 {transpose_lhs = false, transpose_rhs = false} : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  return %y : tensor<64x64xf32>
}

// A weight that was cast stays cast: what it was cast from is kept anyway, but reading it once more costs more than is saved.
// CHECK-LABEL: @narrow_weights_stay
// CHECK-COUNT-1: fin.cast
// CHECK-NOT: fin.cast
func.func @narrow_weights_stay(%x: tensor<64x64xbf16>, %w: tensor<64x64xf32>) -> tensor<64x64xbf16> {
  %n = fin.cast %w {dtype = bf16} : (tensor<64x64xf32>) -> tensor<64x64xbf16>
  %t = fin.matmul %x, %n {transpose_lhs = false, transpose_rhs = false} : (tensor<64x64xbf16>, tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %01 = fin.tanh %t : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %02 = fin.tanh %01 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %03 = fin.tanh %02 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %04 = fin.tanh %03 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %05 = fin.tanh %04 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %06 = fin.tanh %05 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %07 = fin.tanh %06 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %08 = fin.tanh %07 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %09 = fin.tanh %08 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %10 = fin.tanh %09 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %11 = fin.tanh %10 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %12 = fin.tanh %11 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %13 = fin.tanh %12 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %14 = fin.tanh %13 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %15 = fin.tanh %14 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %16 = fin.tanh %15 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %17 = fin.tanh %16 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %18 = fin.tanh %17 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %19 = fin.tanh %18 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %20 = fin.tanh %19 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %21 = fin.tanh %20 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %22 = fin.tanh %21 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %23 = fin.tanh %22 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %24 = fin.tanh %23 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %25 = fin.tanh %24 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %26 = fin.tanh %25 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %27 = fin.tanh %26 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %28 = fin.tanh %27 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %29 = fin.tanh %28 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %30 = fin.tanh %29 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %31 = fin.tanh %30 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %32 = fin.tanh %31 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %33 = fin.tanh %32 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %34 = fin.tanh %33 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %35 = fin.tanh %34 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %36 = fin.tanh %35 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %y = fin.matmul %36, %n {transpose_lhs = false, transpose_rhs = true} : (tensor<64x64xbf16>, tensor<64x64xbf16>) -> tensor<64x64xbf16>
  return %y : tensor<64x64xbf16>
}

// What is cast from a value that would wait for it too is cast again.
// CHECK-LABEL: @narrow_activations_do_not
// CHECK-COUNT-2: fin.cast
func.func @narrow_activations_do_not(%x: tensor<64x64xbf16>, %w: tensor<64x64xf32>) -> (tensor<64x64xbf16>, tensor<64x64xf32>) {
  %e = fin.exp %w : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %n = fin.cast %e {dtype = bf16} : (tensor<64x64xf32>) -> tensor<64x64xbf16>
  %t = fin.matmul %x, %n {transpose_lhs = false, transpose_rhs = false} : (tensor<64x64xbf16>, tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %01 = fin.tanh %t : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %02 = fin.tanh %01 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %03 = fin.tanh %02 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %04 = fin.tanh %03 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %05 = fin.tanh %04 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %06 = fin.tanh %05 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %07 = fin.tanh %06 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %08 = fin.tanh %07 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %09 = fin.tanh %08 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %10 = fin.tanh %09 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %11 = fin.tanh %10 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %12 = fin.tanh %11 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %13 = fin.tanh %12 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %14 = fin.tanh %13 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %15 = fin.tanh %14 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %16 = fin.tanh %15 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %17 = fin.tanh %16 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %18 = fin.tanh %17 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %19 = fin.tanh %18 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %20 = fin.tanh %19 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %21 = fin.tanh %20 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %22 = fin.tanh %21 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %23 = fin.tanh %22 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %24 = fin.tanh %23 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %25 = fin.tanh %24 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %26 = fin.tanh %25 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %27 = fin.tanh %26 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %28 = fin.tanh %27 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %29 = fin.tanh %28 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %30 = fin.tanh %29 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %31 = fin.tanh %30 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %32 = fin.tanh %31 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %33 = fin.tanh %32 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %34 = fin.tanh %33 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %35 = fin.tanh %34 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %36 = fin.tanh %35 : (tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %y = fin.matmul %36, %n {transpose_lhs = false, transpose_rhs = true} : (tensor<64x64xbf16>, tensor<64x64xbf16>) -> tensor<64x64xbf16>
  %z = fin.neg %e : (tensor<64x64xf32>) -> tensor<64x64xf32>
  return %y, %z : tensor<64x64xbf16>, tensor<64x64xf32>
}

// Right behind the split too: what reads nothing but values that have waited long waits for its reader; what reads others does not.
// CHECK-LABEL: @what_waited_long_is_late
// CHECK: fin.square %{{.*}} {fin.late}
// CHECK-NEXT: fin.mul %{{[^{]*}} : (
// BUDGET-LABEL: @what_waited_long_is_late
// BUDGET-NOT: fin.late
func.func @what_waited_long_is_late(%x: tensor<64x64xf32>, %w: tensor<64x64xf32>) -> (tensor<64x64xf32>, tensor<64x64xf32>, tensor<64x64xf32>) {
  %h = fin.matmul %x, %w {transpose_lhs = false, transpose_rhs = false} : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  %g = fin.exp %h : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %s = fin.matmul %g, %w {transpose_lhs = false, transpose_rhs = false} : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  %00 = fin.tanh %s : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %01 = fin.tanh %00 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %02 = fin.tanh %01 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %03 = fin.tanh %02 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %04 = fin.tanh %03 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %05 = fin.tanh %04 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %06 = fin.tanh %05 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %07 = fin.tanh %06 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %08 = fin.tanh %07 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %09 = fin.tanh %08 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %10 = fin.tanh %09 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %11 = fin.tanh %10 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %12 = fin.tanh %11 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %13 = fin.tanh %12 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %14 = fin.tanh %13 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %15 = fin.tanh %14 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %16 = fin.tanh %15 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %17 = fin.tanh %16 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %18 = fin.tanh %17 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %19 = fin.tanh %18 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %20 = fin.tanh %19 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %21 = fin.tanh %20 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %22 = fin.tanh %21 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %23 = fin.tanh %22 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %24 = fin.tanh %23 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %25 = fin.tanh %24 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %26 = fin.tanh %25 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %27 = fin.tanh %26 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %28 = fin.tanh %27 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %29 = fin.tanh %28 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %30 = fin.tanh %29 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %31 = fin.tanh %30 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %32 = fin.tanh %31 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %33 = fin.tanh %32 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %dw = fin.matmul %g, %33 {transpose_lhs = false, transpose_rhs = false} : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  %q = fin.square %h : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %dh = fin.mul %33, %q : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  %z = fin.matmul %33, %h {transpose_lhs = false, transpose_rhs = false} : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  return %dw, %dh, %z : tensor<64x64xf32>, tensor<64x64xf32>, tensor<64x64xf32>
}

// What was made again for one reader is not kept for another far behind it: made a third time.
// CHECK-LABEL: @far_readers_have_their_own
// CHECK-COUNT-3: fin.exp
// CHECK-NOT: fin.exp
// BUDGET-LABEL: @far_readers_have_their_own
// BUDGET-COUNT-1: fin.exp
// BUDGET-NOT: fin.exp
func.func @far_readers_have_their_own(%x: tensor<64x64xf32>, %w: tensor<64x64xf32>) -> (tensor<64x64xf32>, tensor<64x64xf32>, tensor<64x64xf32>) {
  %h = fin.matmul %x, %w {transpose_lhs = false, transpose_rhs = false} : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  %a = fin.exp %h : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %ra = fin.matmul %a, %w {transpose_lhs = false, transpose_rhs = false} : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  %b = fin.add %a, %h : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  %rb = fin.matmul %b, %ra {transpose_lhs = false, transpose_rhs = false} : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  %00 = fin.tanh %rb : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %01 = fin.tanh %00 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %02 = fin.tanh %01 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %03 = fin.tanh %02 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %04 = fin.tanh %03 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %05 = fin.tanh %04 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %06 = fin.tanh %05 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %07 = fin.tanh %06 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %08 = fin.tanh %07 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %09 = fin.tanh %08 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %10 = fin.tanh %09 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %11 = fin.tanh %10 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %12 = fin.tanh %11 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %13 = fin.tanh %12 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %14 = fin.tanh %13 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %15 = fin.tanh %14 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %16 = fin.tanh %15 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %17 = fin.tanh %16 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %18 = fin.tanh %17 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %19 = fin.tanh %18 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %20 = fin.tanh %19 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %21 = fin.tanh %20 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %22 = fin.tanh %21 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %23 = fin.tanh %22 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %24 = fin.tanh %23 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %25 = fin.tanh %24 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %26 = fin.tanh %25 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %27 = fin.tanh %26 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %28 = fin.tanh %27 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %29 = fin.tanh %28 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %30 = fin.tanh %29 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %31 = fin.tanh %30 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %32 = fin.tanh %31 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %33 = fin.tanh %32 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %db = fin.matmul %33, %b {transpose_lhs = false, transpose_rhs = false} : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  %d00 = fin.tanh %db : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d01 = fin.tanh %d00 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d02 = fin.tanh %d01 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d03 = fin.tanh %d02 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d04 = fin.tanh %d03 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d05 = fin.tanh %d04 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d06 = fin.tanh %d05 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d07 = fin.tanh %d06 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d08 = fin.tanh %d07 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d09 = fin.tanh %d08 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d10 = fin.tanh %d09 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d11 = fin.tanh %d10 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d12 = fin.tanh %d11 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d13 = fin.tanh %d12 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d14 = fin.tanh %d13 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d15 = fin.tanh %d14 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d16 = fin.tanh %d15 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d17 = fin.tanh %d16 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d18 = fin.tanh %d17 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d19 = fin.tanh %d18 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d20 = fin.tanh %d19 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d21 = fin.tanh %d20 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d22 = fin.tanh %d21 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d23 = fin.tanh %d22 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d24 = fin.tanh %d23 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d25 = fin.tanh %d24 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d26 = fin.tanh %d25 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d27 = fin.tanh %d26 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d28 = fin.tanh %d27 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d29 = fin.tanh %d28 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d30 = fin.tanh %d29 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d31 = fin.tanh %d30 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d32 = fin.tanh %d31 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d33 = fin.tanh %d32 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %da = fin.matmul %d33, %a {transpose_lhs = false, transpose_rhs = false} : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  %dh = fin.matmul %da, %h {transpose_lhs = false, transpose_rhs = false} : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  return %db, %da, %dh : tensor<64x64xf32>, tensor<64x64xf32>, tensor<64x64xf32>
}

// Unless that takes many ops.
// CHECK-LABEL: @long_chains_are_shared
// CHECK-COUNT-52: fin.abs
// CHECK-NOT: fin.abs
// BUDGET-LABEL: @long_chains_are_shared
func.func @long_chains_are_shared(%x: tensor<64x64xf32>, %w: tensor<64x64xf32>) -> (tensor<64x64xf32>, tensor<64x64xf32>, tensor<64x64xf32>) {
  %h = fin.matmul %x, %w {transpose_lhs = false, transpose_rhs = false} : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  %a00 = fin.abs %h : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %a01 = fin.abs %a00 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %a02 = fin.abs %a01 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %a03 = fin.abs %a02 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %a04 = fin.abs %a03 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %a05 = fin.abs %a04 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %a06 = fin.abs %a05 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %a07 = fin.abs %a06 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %a08 = fin.abs %a07 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %a09 = fin.abs %a08 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %a10 = fin.abs %a09 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %a11 = fin.abs %a10 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %a12 = fin.abs %a11 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %a13 = fin.abs %a12 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %a14 = fin.abs %a13 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %a15 = fin.abs %a14 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %a16 = fin.abs %a15 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %a17 = fin.abs %a16 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %a18 = fin.abs %a17 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %a19 = fin.abs %a18 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %a20 = fin.abs %a19 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %a21 = fin.abs %a20 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %a22 = fin.abs %a21 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %a23 = fin.abs %a22 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %a24 = fin.abs %a23 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %a25 = fin.abs %a24 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %ra = fin.matmul %a25, %w {transpose_lhs = false, transpose_rhs = false} : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  %b = fin.add %a25, %h : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  %rb = fin.matmul %b, %ra {transpose_lhs = false, transpose_rhs = false} : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  %00 = fin.tanh %rb : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %01 = fin.tanh %00 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %02 = fin.tanh %01 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %03 = fin.tanh %02 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %04 = fin.tanh %03 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %05 = fin.tanh %04 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %06 = fin.tanh %05 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %07 = fin.tanh %06 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %08 = fin.tanh %07 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %09 = fin.tanh %08 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %10 = fin.tanh %09 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %11 = fin.tanh %10 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %12 = fin.tanh %11 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %13 = fin.tanh %12 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %14 = fin.tanh %13 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %15 = fin.tanh %14 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %16 = fin.tanh %15 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %17 = fin.tanh %16 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %18 = fin.tanh %17 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %19 = fin.tanh %18 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %20 = fin.tanh %19 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %21 = fin.tanh %20 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %22 = fin.tanh %21 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %23 = fin.tanh %22 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %24 = fin.tanh %23 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %25 = fin.tanh %24 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %26 = fin.tanh %25 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %27 = fin.tanh %26 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %28 = fin.tanh %27 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %29 = fin.tanh %28 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %30 = fin.tanh %29 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %31 = fin.tanh %30 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %32 = fin.tanh %31 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %33 = fin.tanh %32 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %db = fin.matmul %33, %b {transpose_lhs = false, transpose_rhs = false} : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  %d00 = fin.tanh %db : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d01 = fin.tanh %d00 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d02 = fin.tanh %d01 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d03 = fin.tanh %d02 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d04 = fin.tanh %d03 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d05 = fin.tanh %d04 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d06 = fin.tanh %d05 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d07 = fin.tanh %d06 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d08 = fin.tanh %d07 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d09 = fin.tanh %d08 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d10 = fin.tanh %d09 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d11 = fin.tanh %d10 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d12 = fin.tanh %d11 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d13 = fin.tanh %d12 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d14 = fin.tanh %d13 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d15 = fin.tanh %d14 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d16 = fin.tanh %d15 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d17 = fin.tanh %d16 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d18 = fin.tanh %d17 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d19 = fin.tanh %d18 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d20 = fin.tanh %d19 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d21 = fin.tanh %d20 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d22 = fin.tanh %d21 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d23 = fin.tanh %d22 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d24 = fin.tanh %d23 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d25 = fin.tanh %d24 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d26 = fin.tanh %d25 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d27 = fin.tanh %d26 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d28 = fin.tanh %d27 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d29 = fin.tanh %d28 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d30 = fin.tanh %d29 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d31 = fin.tanh %d30 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d32 = fin.tanh %d31 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %d33 = fin.tanh %d32 : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %da = fin.matmul %d33, %a25 {transpose_lhs = false, transpose_rhs = false} : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  %dh = fin.matmul %da, %h {transpose_lhs = false, transpose_rhs = false} : (tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<64x64xf32>
  return %db, %da, %dh : tensor<64x64xf32>, tensor<64x64xf32>, tensor<64x64xf32>
}
