// SPDX-License-Identifier: Apache-2.0
// RUN: tinyfin-opt %s --fin-plan-memory | FileCheck %s
// RUN: not tinyfin-opt %S/Inputs/dynamic.mlir --fin-plan-memory 2>&1 | FileCheck %s --check-prefix=DYNAMIC

// DYNAMIC: dynamic.mlir:3:8: error: 'fin.exp' op has a dynamic result: memory is planned for static shapes, specialize first

// A chain of elementwise ops works in place; the last one writes the output.
// CHECK-LABEL: @chains_share_one_slot
// CHECK-SAME: fin.arena_bytes = 256 : i64, fin.max_live_bytes = 256 : i64
// CHECK: fin.exp %{{.*}} {fin.offsets = array<i64: 0>}
// CHECK: fin.neg %{{.*}} {fin.offsets = array<i64: 0>}
// CHECK: fin.relu %{{.*}} {fin.offsets = array<i64: -1>}
func.func @chains_share_one_slot(%x: tensor<64xf32>) -> tensor<64xf32> {
  %0 = fin.exp %x : (tensor<64xf32>) -> tensor<64xf32>
  %1 = fin.neg %0 : (tensor<64xf32>) -> tensor<64xf32>
  %2 = fin.relu %1 : (tensor<64xf32>) -> tensor<64xf32>
  return %2 : tensor<64xf32>
}

// CHECK-LABEL: @values_that_live_together_are_apart
// CHECK: fin.exp %{{.*}} {fin.offsets = array<i64: 0>}
// CHECK: fin.neg %{{.*}} {fin.offsets = array<i64: 256>}
func.func @values_that_live_together_are_apart(%x: tensor<64xf32>) -> tensor<64xf32> {
  %0 = fin.exp %x : (tensor<64xf32>) -> tensor<64xf32>
  %1 = fin.neg %0 : (tensor<64xf32>) -> tensor<64xf32>
  %2 = fin.add %0, %1 : (tensor<64xf32>, tensor<64xf32>) -> tensor<64xf32>
  return %2 : tensor<64xf32>
}

// A reshape is its operand: the operand's memory lives as long as the view.
// CHECK-LABEL: @views_hold_memory
// CHECK: fin.exp %{{.*}} {fin.offsets = array<i64: 0>}
// CHECK-NOT: fin.reshape {{.*}}fin.offsets
// CHECK: fin.sum %{{.*}} {axes = array<i64: 0>, fin.offsets = array<i64: 256>
func.func @views_hold_memory(%x: tensor<8x8xf32>) -> (tensor<f32>) {
  %0 = fin.exp %x : (tensor<8x8xf32>) -> tensor<8x8xf32>
  %1 = fin.reshape %0 {shape = [64]} : (tensor<8x8xf32>) -> tensor<64xf32>
  %2 = fin.sum %0 {axes = array<i64: 0>, keepdims = false} : (tensor<8x8xf32>) -> tensor<8xf32>
  %3 = fin.sum %1 {axes = array<i64: 0>, keepdims = false} : (tensor<64xf32>) -> tensor<f32>
  %4 = fin.add %2, %3 : (tensor<8xf32>, tensor<f32>) -> tensor<8xf32>
  %5 = fin.sum %4 {axes = array<i64: 0>, keepdims = false} : (tensor<8xf32>) -> tensor<f32>
  return %5 : tensor<f32>
}

// The smaller operand is read for several results: it cannot be written over.
// CHECK-LABEL: @repeated_operands_are_not_overwritten
// CHECK: fin.exp %{{.*}} {fin.offsets = array<i64: 0>}
// CHECK: fin.add %{{.*}} {fin.offsets = array<i64: 256>}
func.func @repeated_operands_are_not_overwritten(%x: tensor<1x64xf32>, %y: tensor<2x64xf32>) -> tensor<f32> {
  %0 = fin.exp %x : (tensor<1x64xf32>) -> tensor<1x64xf32>
  %1 = fin.add %0, %y : (tensor<1x64xf32>, tensor<2x64xf32>) -> tensor<2x64xf32>
  %2 = fin.sum %1 {axes = array<i64: 0, 1>, keepdims = false} : (tensor<2x64xf32>) -> tensor<f32>
  return %2 : tensor<f32>
}

// CHECK-LABEL: @arguments_and_constants_are_not_in_the_arena
// CHECK-SAME: fin.arena_bytes = 0 : i64
func.func @arguments_and_constants_are_not_in_the_arena(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = fin.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>
  %1 = fin.add %x, %0 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %1 : tensor<4xf32>
}
