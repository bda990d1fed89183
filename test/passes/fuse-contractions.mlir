// SPDX-License-Identifier: Apache-2.0
// A product takes the elementwise ops that finish it.
// RUN: tinyfin-opt %s --fin-fuse-regions | FileCheck %s
// RUN: tinyfin-opt %s --fin-fuse-regions=contractions=false | FileCheck %s --check-prefix=OFF
// RUN: env TINYFIN_DISABLE=fuse-contractions tinyfin-opt %s --fin-fuse | FileCheck %s --check-prefix=OFF

// OFF-NOT: "contraction"

// What is read outside is a result, the sum before the activation too.
// CHECK-LABEL: @bias_and_activation
// CHECK: %[[F:.+]]:2 = fin.fusion "contraction" (%[[X:.+]] = %arg0 : {{.+}}, %[[W:.+]] = %arg1 : {{.+}}, %[[B:.+]] = %arg2 : tensor<16xf32>) -> (tensor<2x4x16xf32>, tensor<2x4x16xf32>)
// CHECK-SAME: fin.domain = array<i64: 2, 4, 16>
// CHECK-NEXT: %[[P:.+]] = fin.matmul %[[X]], %[[W]]
// CHECK-NEXT: %[[H:.+]] = fin.add %[[P]], %[[B]]
// CHECK-NEXT: %[[Y:.+]] = fin.relu %[[H]]
// CHECK-NEXT: fin.yield %[[H]], %[[Y]]
// CHECK: return %[[F]]#0, %[[F]]#1
func.func @bias_and_activation(%x: tensor<2x4x8xf32>, %w: tensor<8x16xf32>, %b: tensor<16xf32>) -> (tensor<2x4x16xf32>, tensor<2x4x16xf32>) {
  %0 = fin.matmul %x, %w {transpose_lhs = false, transpose_rhs = false} : (tensor<2x4x8xf32>, tensor<8x16xf32>) -> tensor<2x4x16xf32>
  %1 = fin.add %0, %b : (tensor<2x4x16xf32>, tensor<16xf32>) -> tensor<2x4x16xf32>
  %2 = fin.relu %1 : (tensor<2x4x16xf32>) -> tensor<2x4x16xf32>
  return %1, %2 : tensor<2x4x16xf32>, tensor<2x4x16xf32>
}

// The latest product takes the sum; the others are in memory by then.
// CHECK-LABEL: @sum_of_products
// CHECK: %[[A:.+]] = fin.matmul %arg0, %arg1
// CHECK: fin.fusion "contraction" ({{.+}} = %arg2 : {{.+}}, {{.+}} = %arg1 : {{.+}}, {{.+}} = %[[A]] : tensor<4x4xf32>) -> (tensor<4x4xf32>)
func.func @sum_of_products(%x: tensor<4x4xf32>, %w: tensor<4x4xf32>, %y: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %0 = fin.matmul %x, %w {transpose_lhs = false, transpose_rhs = false} : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %1 = fin.matmul %y, %w {transpose_lhs = false, transpose_rhs = false} : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %2 = fin.add %0, %1 : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  return %2 : tensor<4x4xf32>
}

// An activation's derivative that nothing else reads is computed where the product is multiplied by it.
// CHECK-LABEL: @what_only_the_product_meets_joins_too
// CHECK: fin.fusion "contraction"
// CHECK: fin.matmul
// CHECK: fin.tanh
// CHECK: fin.mul
// CHECK: fin.yield %{{[^,]+}} :
// CHECK-NOT: fin.fusion
func.func @what_only_the_product_meets_joins_too(%dy: tensor<4x4xf32>, %w: tensor<4x4xf32>, %h: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %0 = fin.matmul %dy, %w {transpose_lhs = false, transpose_rhs = true} : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %1 = fin.tanh %h : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %2 = fin.mul %0, %1 : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  return %2 : tensor<4x4xf32>
}

// What a product is multiplied by, made of nothing large but what is read there anyway, joins with what else is made of it.
// CHECK-LABEL: @what_is_made_of_the_same_joins
// CHECK: fin.fusion "contraction"
// CHECK: fin.yield %{{[^,]+}}, %{{[^,]+}} :
// CHECK: fin.matmul
// CHECK-NOT: fin.fusion
func.func @what_is_made_of_the_same_joins(%dy: tensor<4x4xf32>, %w: tensor<4x4xf32>, %h: tensor<4x4xf32>) -> (tensor<4x4xf32>, tensor<4x4xf32>) {
  %0 = fin.matmul %dy, %w {transpose_lhs = false, transpose_rhs = true} : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %1 = fin.tanh %h : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %2 = fin.mul %h, %1 : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %3 = fin.add %h, %1 : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %4 = fin.mul %0, %3 : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %5 = fin.matmul %2, %dy {transpose_lhs = true, transpose_rhs = false} : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  return %4, %5 : tensor<4x4xf32>, tensor<4x4xf32>
}

// A map that reads more stays: the product would read it, and store what the map has stored.
// CHECK-LABEL: @what_is_made_of_more_stays
// CHECK: fin.fusion "map"
// CHECK: fin.fusion "contraction"
func.func @what_is_made_of_more_stays(%dy: tensor<4x4xf32>, %w: tensor<4x4xf32>, %h: tensor<4x4xf32>, %g: tensor<4x4xf32>) -> (tensor<4x4xf32>, tensor<4x4xf32>) {
  %0 = fin.matmul %dy, %w {transpose_lhs = false, transpose_rhs = true} : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %1 = fin.tanh %h : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %2 = fin.mul %g, %1 : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %3 = fin.add %h, %1 : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %4 = fin.mul %0, %3 : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %5 = fin.matmul %2, %dy {transpose_lhs = true, transpose_rhs = false} : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  return %4, %5 : tensor<4x4xf32>, tensor<4x4xf32>
}

// CHECK-LABEL: @casts_of_the_result_join_casts_of_operands_stay
// CHECK: fin.fusion "map"
// CHECK: fin.cast
// CHECK: fin.fusion "contraction"
// CHECK-NEXT: fin.matmul
// CHECK-NEXT: fin.cast
// CHECK-NEXT: fin.yield %{{.+}} : tensor<4x4xf32>
func.func @casts_of_the_result_join_casts_of_operands_stay(%x: tensor<4x4xf32>, %w: tensor<4x4xbf16>) -> tensor<4x4xf32> {
  %0 = fin.cast %x {dtype = bf16} : (tensor<4x4xf32>) -> tensor<4x4xbf16>
  %1 = fin.matmul %0, %w {transpose_lhs = false, transpose_rhs = false} : (tensor<4x4xbf16>, tensor<4x4xbf16>) -> tensor<4x4xbf16>
  %2 = fin.cast %1 {dtype = f32} : (tensor<4x4xbf16>) -> tensor<4x4xf32>
  return %2 : tensor<4x4xf32>
}

// A product that is read by a reduction and again after it: its own square would be a result more.
// CHECK-LABEL: @what_only_a_reduction_reads_stays_with_it
// CHECK-NOT: "contraction"
// CHECK: fin.matmul
// CHECK: fin.fusion "normalization"
// CHECK: fin.mul
// CHECK: fin.sum
func.func @what_only_a_reduction_reads_stays_with_it(%x: tensor<32x4xf32>, %w: tensor<4x8xf32>, %p: tensor<32x8xf32>) -> tensor<32x8xf32> {
  %0 = fin.matmul %x, %w {transpose_lhs = false, transpose_rhs = false} : (tensor<32x4xf32>, tensor<4x8xf32>) -> tensor<32x8xf32>
  %1 = fin.mul %0, %p : (tensor<32x8xf32>, tensor<32x8xf32>) -> tensor<32x8xf32>
  %2 = fin.sum %1 {axes = array<i64: 1>, keepdims = true} : (tensor<32x8xf32>) -> tensor<32x1xf32>
  %3 = fin.sub %0, %2 : (tensor<32x8xf32>, tensor<32x1xf32>) -> tensor<32x8xf32>
  return %3 : tensor<32x8xf32>
}

// CHECK-LABEL: @reductions_come_after
// CHECK: %[[F:.+]] = fin.fusion "contraction"
// CHECK: fin.relu
// CHECK: fin.fusion "reduction" ({{.+}} = %[[F]] :
// CHECK: fin.sum
func.func @reductions_come_after(%x: tensor<32x4xf32>, %w: tensor<4x8xf32>) -> tensor<8xf32> {
  %0 = fin.matmul %x, %w {transpose_lhs = false, transpose_rhs = false} : (tensor<32x4xf32>, tensor<4x8xf32>) -> tensor<32x8xf32>
  %1 = fin.relu %0 : (tensor<32x8xf32>) -> tensor<32x8xf32>
  %2 = fin.sum %1 {axes = array<i64: 0>, keepdims = false} : (tensor<32x8xf32>) -> tensor<8xf32>
  return %2 : tensor<8xf32>
}

// exp(x w) w feeds what is added to x w: the sum cannot be where the first product is, but finishes the second.
// CHECK-LABEL: @no_cycles
// CHECK: %[[F:.+]]:2 = fin.fusion "contraction"
// CHECK: fin.exp
// CHECK: fin.fusion "contraction" ({{.+}} = %[[F]]#1 : {{.+}}, {{.+}}, {{.+}} = %[[F]]#0
// CHECK: fin.add
func.func @no_cycles(%x: tensor<4x4xf32>, %w: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %0 = fin.matmul %x, %w {transpose_lhs = false, transpose_rhs = false} : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %1 = fin.exp %0 : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %2 = fin.matmul %1, %w {transpose_lhs = false, transpose_rhs = false} : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %3 = fin.add %0, %2 : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  return %3 : tensor<4x4xf32>
}

// Alone, larger than the result, at other indices, in float64 or through a reshape: not a contraction region.
// CHECK-LABEL: @refused
// CHECK-NOT: "contraction"
func.func @refused(%x: tensor<1x4xf32>, %w: tensor<4x4xf32>, %y: tensor<4x4xf32>, %d: tensor<4x4xf64>)
    -> (tensor<1x4xf32>, tensor<4x4xf32>, tensor<4x4xf32>, tensor<4x4xf64>, tensor<16xf32>) {
  %alone = fin.matmul %x, %w {transpose_lhs = false, transpose_rhs = false} : (tensor<1x4xf32>, tensor<4x4xf32>) -> tensor<1x4xf32>
  %larger = fin.add %alone, %y : (tensor<1x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %p = fin.matmul %y, %w {transpose_lhs = false, transpose_rhs = false} : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %moved = fin.transpose %p {permutation = array<i64: 1, 0>} : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %wide = fin.matmul %d, %d {transpose_lhs = false, transpose_rhs = false} : (tensor<4x4xf64>, tensor<4x4xf64>) -> tensor<4x4xf64>
  %relu = fin.relu %wide : (tensor<4x4xf64>) -> tensor<4x4xf64>
  %q = fin.matmul %w, %y {transpose_lhs = false, transpose_rhs = false} : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %flat = fin.reshape %q {shape = [16]} : (tensor<4x4xf32>) -> tensor<16xf32>
  %neg = fin.neg %flat : (tensor<16xf32>) -> tensor<16xf32>
  return %alone, %larger, %moved, %relu, %neg : tensor<1x4xf32>, tensor<4x4xf32>, tensor<4x4xf32>, tensor<4x4xf64>, tensor<16xf32>
}
