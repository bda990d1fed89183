// RUN: tinyfin-opt %s -fin-simplify -canonicalize -split-input-file | FileCheck %s --check-prefix=SIMPLE
// RUN: tinyfin-opt %s -fin-fuse-regions -split-input-file | FileCheck %s

// What two regions read as f32 is stored as bf16, and each widens its own copy.
// CHECK-LABEL: @each_region_widens
// CHECK: %[[PARTS:.*]]:2 = fin.fusion "reduction"
// CHECK: fin.yield %{{.*}}, %{{.*}} : tensor<64x32xbf16>, tensor<32xf32>
// CHECK: fin.fusion "contraction" (%{{.*}} = %[[PARTS]]#0 : tensor<64x32xbf16>, %{{.*}} = %{{.*}} : tensor<32x32xbf16>) -> (tensor<64x32xf32>)
// CHECK-NEXT: fin.matmul
// CHECK: fin.cast
// CHECK: fin.mul
func.func @each_region_widens(%x: tensor<64x32xbf16>, %y: tensor<64x32xbf16>, %w: tensor<32x32xbf16>) -> (tensor<32xf32>, tensor<64x32xf32>) {
  %a = fin.add %x, %y : (tensor<64x32xbf16>, tensor<64x32xbf16>) -> tensor<64x32xbf16>
  %wide = fin.cast %a {dtype = f32} : (tensor<64x32xbf16>) -> tensor<64x32xf32>
  %columns = fin.sum %wide {axes = array<i64: 0>, keepdims = false} : (tensor<64x32xf32>) -> tensor<32xf32>
  %product = fin.matmul %a, %w {transpose_lhs = false, transpose_rhs = false} : (tensor<64x32xbf16>, tensor<32x32xbf16>) -> tensor<64x32xbf16>
  %wideProduct = fin.cast %product {dtype = f32} : (tensor<64x32xbf16>) -> tensor<64x32xf32>
  %r = fin.mul %wide, %wideProduct : (tensor<64x32xf32>, tensor<64x32xf32>) -> tensor<64x32xf32>
  return %columns, %r : tensor<32xf32>, tensor<64x32xf32>
}

// -----

// A result must be stored as it is: the cast joins the region that makes it.
// CHECK-LABEL: @a_result_is_widened_once
// CHECK: fin.fusion "map"
// CHECK-NEXT: fin.add
// CHECK-NEXT: fin.cast
// CHECK-NEXT: fin.yield %{{.*}} : tensor<64x32xf32>
// CHECK-NEXT: }
// CHECK-NEXT: return
func.func @a_result_is_widened_once(%x: tensor<64x32xbf16>, %y: tensor<64x32xbf16>) -> tensor<64x32xf32> {
  %a = fin.add %x, %y : (tensor<64x32xbf16>, tensor<64x32xbf16>) -> tensor<64x32xbf16>
  %wide = fin.cast %a {dtype = f32} : (tensor<64x32xbf16>) -> tensor<64x32xf32>
  return %wide : tensor<64x32xf32>
}

// -----

// SIMPLE-LABEL: @the_view_is_of_the_narrow_value
// SIMPLE-NEXT: %[[VIEW:.*]] = fin.reshape %arg0 {shape = [8]} : (tensor<2x4xbf16>) -> tensor<8xbf16>
// SIMPLE-NEXT: fin.cast %[[VIEW]]
func.func @the_view_is_of_the_narrow_value(%x: tensor<2x4xbf16>) -> tensor<8xf32> {
  %wide = fin.cast %x {dtype = f32} : (tensor<2x4xbf16>) -> tensor<2x4xf32>
  %view = fin.reshape %wide {shape = [8]} : (tensor<2x4xf32>) -> tensor<8xf32>
  return %view : tensor<8xf32>
}

// -----

// SIMPLE-LABEL: @a_narrowing_cast_goes_in_front
// SIMPLE-NEXT: %[[NARROW:.*]] = fin.cast %arg0
// SIMPLE-NEXT: fin.reshape %[[NARROW]]
func.func @a_narrowing_cast_goes_in_front(%x: tensor<2x4xf32>) -> tensor<8xbf16> {
  %view = fin.reshape %x {shape = [8]} : (tensor<2x4xf32>) -> tensor<8xf32>
  %narrow = fin.cast %view {dtype = bf16} : (tensor<8xf32>) -> tensor<8xbf16>
  return %narrow : tensor<8xbf16>
}
