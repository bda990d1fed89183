// SPDX-License-Identifier: Apache-2.0
// RUN: tinyfin-opt %s --fin-channels-last | FileCheck %s -enable-var-scope
// RUN: tinyfin-opt %s "--fin-channels-last=min-channels=1024" | FileCheck %s --check-prefix=OFF
// OFF-NOT: channels_last

// CHECK-LABEL: @a_chain_is_turned_as_a_whole
// CHECK-NEXT: %[[X:.+]] = fin.transpose %arg0 {permutation = array<i64: 0, 2, 3, 1>} : (tensor<2x16x8x8xf32>) -> tensor<2x8x8x16xf32>
// CHECK-NEXT: %[[Y:.+]] = fin.conv2d %[[X]], %arg1 {channels_last = true, {{.*}}} : (tensor<2x8x8x16xf32>, tensor<32x16x3x3xf32>) -> tensor<2x8x8x32xf32>
// CHECK-NEXT: %[[RELU:.+]] = fin.relu %[[Y]]
// CHECK-NEXT: %[[POOL:.+]] = fin.max_pool2d %[[RELU]] {channels_last = true, {{.*}}} : (tensor<2x8x8x32xf32>) -> tensor<2x4x4x32xf32>
// CHECK-NEXT: %[[Z:.+]] = fin.conv2d %[[POOL]], %arg2 {channels_last = true
// CHECK-NEXT: %[[BACK:.+]] = fin.transpose %[[Z]] {permutation = array<i64: 0, 3, 1, 2>}
// CHECK-NEXT: return %[[BACK]]
func.func @a_chain_is_turned_as_a_whole(%x: tensor<2x16x8x8xf32>, %w: tensor<32x16x3x3xf32>, %v: tensor<16x32x1x1xf32>) -> tensor<2x16x4x4xf32> {
  %0 = fin.conv2d %x, %w {strides = array<i64: 1, 1>, padding = array<i64: 1, 1>} : (tensor<2x16x8x8xf32>, tensor<32x16x3x3xf32>) -> tensor<2x32x8x8xf32>
  %1 = fin.relu %0 : (tensor<2x32x8x8xf32>) -> tensor<2x32x8x8xf32>
  %2 = fin.max_pool2d %1 {kernel_size = array<i64: 2, 2>, strides = array<i64: 2, 2>, padding = array<i64: 0, 0>} : (tensor<2x32x8x8xf32>) -> tensor<2x32x4x4xf32>
  %3 = fin.conv2d %2, %v {strides = array<i64: 1, 1>, padding = array<i64: 0, 0>} : (tensor<2x32x4x4xf32>, tensor<16x32x1x1xf32>) -> tensor<2x16x4x4xf32>
  return %3 : tensor<2x16x4x4xf32>
}

// Statistics of a channel are sums over the other axes; what is a value a channel is renamed, not moved.
// CHECK-LABEL: @statistics_of_channels
// CHECK: %[[Y:.+]] = fin.conv2d
// CHECK-NEXT: %[[MEAN:.+]] = fin.mean %[[Y]] {axes = array<i64: 0, 1, 2>, keepdims = false} : (tensor<2x8x8x16xf32>) -> tensor<16xf32>
// CHECK-NEXT: %[[COLUMN:.+]] = fin.reshape %[[MEAN]] {shape = [16, 1, 1]}
// CHECK-NEXT: %[[ROW:.+]] = fin.reshape %[[COLUMN]] {shape = [1, 1, 1, 16]}
// CHECK-NEXT: %[[CENTERED:.+]] = fin.sub %[[Y]], %[[ROW]]
// CHECK-NEXT: %[[SUM:.+]] = fin.sum %[[CENTERED]] {axes = array<i64: 1, 2>, keepdims = false} : (tensor<2x8x8x16xf32>) -> tensor<2x16xf32>
// CHECK-NEXT: return %[[SUM]]
func.func @statistics_of_channels(%x: tensor<2x16x8x8xf32>, %w: tensor<16x16x3x3xf32>) -> tensor<2x16xf32> {
  %0 = fin.conv2d %x, %w {strides = array<i64: 1, 1>, padding = array<i64: 1, 1>} : (tensor<2x16x8x8xf32>, tensor<16x16x3x3xf32>) -> tensor<2x16x8x8xf32>
  %1 = fin.mean %0 {axes = array<i64: 0, 2, 3>, keepdims = false} : (tensor<2x16x8x8xf32>) -> tensor<16xf32>
  %2 = fin.reshape %1 {shape = [16, 1, 1]} : (tensor<16xf32>) -> tensor<16x1x1xf32>
  %3 = fin.sub %0, %2 : (tensor<2x16x8x8xf32>, tensor<16x1x1xf32>) -> tensor<2x16x8x8xf32>
  %4 = fin.sum %3 {axes = array<i64: 2, 3>, keepdims = false} : (tensor<2x16x8x8xf32>) -> tensor<2x16xf32>
  return %4 : tensor<2x16xf32>
}

// CHECK-LABEL: @gradients
// CHECK-DAG: %[[X:.+]] = fin.transpose %arg0
// CHECK-DAG: %[[DY:.+]] = fin.transpose %arg2
// CHECK-DAG: %[[DX:.+]] = fin.conv2d_input_grad %[[DY]], %arg1 {channels_last = true
// CHECK-DAG: %[[DW:.+]] = fin.conv2d_weight_grad %[[X]], %[[DY]] {channels_last = true{{.*}}-> tensor<16x16x3x3xf32>
// CHECK: return %{{.+}}, %[[DW]]
func.func @gradients(%x: tensor<2x16x8x8xf32>, %w: tensor<16x16x3x3xf32>, %dy: tensor<2x16x8x8xf32>) -> (tensor<2x16x8x8xf32>, tensor<16x16x3x3xf32>) {
  %0 = fin.conv2d_input_grad %dy, %w {input_size = array<i64: 8, 8>, strides = array<i64: 1, 1>, padding = array<i64: 1, 1>} : (tensor<2x16x8x8xf32>, tensor<16x16x3x3xf32>) -> tensor<2x16x8x8xf32>
  %1 = fin.conv2d_weight_grad %x, %dy {kernel_size = array<i64: 3, 3>, strides = array<i64: 1, 1>, padding = array<i64: 1, 1>} : (tensor<2x16x8x8xf32>, tensor<2x16x8x8xf32>) -> tensor<16x16x3x3xf32>
  return %0, %1 : tensor<2x16x8x8xf32>, tensor<16x16x3x3xf32>
}

// CHECK-LABEL: @pads_and_concatenations_follow
// CHECK: fin.pad %{{.+}}, %{{.+}} {high = array<i64: 0, 0, 0, 16>, low = array<i64: 0, 1, 1, 0>} : (tensor<2x8x8x16xf32>, tensor<f32>) -> tensor<2x9x9x32xf32>
// CHECK: fin.concat {{.*}}axis = 3 : i64
func.func @pads_and_concatenations_follow(%x: tensor<2x16x8x8xf32>, %w: tensor<16x16x1x1xf32>) -> (tensor<2x32x9x9xf32>, tensor<2x32x8x8xf32>) {
  %0 = fin.conv2d %x, %w {strides = array<i64: 1, 1>, padding = array<i64: 0, 0>} : (tensor<2x16x8x8xf32>, tensor<16x16x1x1xf32>) -> tensor<2x16x8x8xf32>
  %c = fin.constant dense<0.0> : tensor<f32>
  %1 = fin.pad %0, %c {low = array<i64: 0, 0, 1, 1>, high = array<i64: 0, 16, 0, 0>} : (tensor<2x16x8x8xf32>, tensor<f32>) -> tensor<2x32x9x9xf32>
  %2 = fin.concat %0, %x {axis = 1 : i64} : (tensor<2x16x8x8xf32>, tensor<2x16x8x8xf32>) -> tensor<2x32x8x8xf32>
  return %1, %2 : tensor<2x32x9x9xf32>, tensor<2x32x8x8xf32>
}

// A sum over the batch alone would leave [H, W, C] where [C, H, W] is wanted.
// CHECK-LABEL: @reductions_that_would_reorder_read_a_transpose
// CHECK: %[[Y:.+]] = fin.conv2d
// CHECK-NEXT: %[[BACK:.+]] = fin.transpose %[[Y]]
// CHECK-NEXT: fin.sum %[[BACK]] {axes = array<i64: 0>
func.func @reductions_that_would_reorder_read_a_transpose(%x: tensor<2x16x8x8xf32>, %w: tensor<16x16x1x1xf32>) -> tensor<16x8x8xf32> {
  %0 = fin.conv2d %x, %w {strides = array<i64: 1, 1>, padding = array<i64: 0, 0>} : (tensor<2x16x8x8xf32>, tensor<16x16x1x1xf32>) -> tensor<2x16x8x8xf32>
  %1 = fin.sum %0 {axes = array<i64: 0>, keepdims = false} : (tensor<2x16x8x8xf32>) -> tensor<16x8x8xf32>
  return %1 : tensor<16x8x8xf32>
}

// CHECK-LABEL: @few_channels_stay
// CHECK-NEXT: fin.conv2d %arg0, %arg1 {padding
// CHECK-NEXT: fin.relu
// CHECK-NEXT: fin.max_pool2d %{{.+}} {kernel_size
// CHECK-NEXT: return
func.func @few_channels_stay(%x: tensor<2x1x28x28xf32>, %w: tensor<6x1x5x5xf32>) -> tensor<2x6x12x12xf32> {
  %0 = fin.conv2d %x, %w {strides = array<i64: 1, 1>, padding = array<i64: 0, 0>} : (tensor<2x1x28x28xf32>, tensor<6x1x5x5xf32>) -> tensor<2x6x24x24xf32>
  %1 = fin.relu %0 : (tensor<2x6x24x24xf32>) -> tensor<2x6x24x24xf32>
  %2 = fin.max_pool2d %1 {kernel_size = array<i64: 2, 2>, strides = array<i64: 2, 2>, padding = array<i64: 0, 0>} : (tensor<2x6x24x24xf32>) -> tensor<2x6x12x12xf32>
  return %2 : tensor<2x6x12x12xf32>
}

// CHECK-LABEL: @elementwise_ops_alone_stay
// CHECK-NEXT: fin.relu %arg0
// CHECK-NEXT: return
func.func @elementwise_ops_alone_stay(%x: tensor<2x16x8x8xf32>) -> tensor<2x16x8x8xf32> {
  %0 = fin.relu %x : (tensor<2x16x8x8xf32>) -> tensor<2x16x8x8xf32>
  return %0 : tensor<2x16x8x8xf32>
}
