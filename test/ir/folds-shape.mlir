// RUN: %canonicalize
// Each fold has its negative twin.

// CHECK-LABEL: @reshapes_become_one
// CHECK-SAME: (%[[X:.*]]: tensor<2x6xf32>)
// CHECK-NEXT: %[[FLAT:.*]] = fin.reshape %[[X]] {shape = [12]}
// CHECK-NEXT: return %[[FLAT]], %[[X]], %[[X]]
func.func @reshapes_become_one(%x: tensor<2x6xf32>) -> (tensor<12xf32>, tensor<2x6xf32>, tensor<2x6xf32>) {
  %a = fin.reshape %x {shape = [3, 4]} : (tensor<2x6xf32>) -> tensor<3x4xf32>
  %b = fin.reshape %a {shape = [12]} : (tensor<3x4xf32>) -> tensor<12xf32>
  %c = fin.reshape %a {shape = [2, 6]} : (tensor<3x4xf32>) -> tensor<2x6xf32>
  %d = fin.reshape %x {shape = [2, 6]} : (tensor<2x6xf32>) -> tensor<2x6xf32>
  return %b, %c, %d : tensor<12xf32>, tensor<2x6xf32>, tensor<2x6xf32>
}

// CHECK-LABEL: @reshape_to_another_symbol_is_kept
// CHECK: fin.reshape
func.func @reshape_to_another_symbol_is_kept(%x: tensor<?x2xf32, #fin.tensor<["N", ""]>>) -> tensor<2x?xf32, #fin.tensor<["", "N"]>> {
  %a = fin.reshape %x {shape = [2, "N"]} : (tensor<?x2xf32, #fin.tensor<["N", ""]>>) -> tensor<2x?xf32, #fin.tensor<["", "N"]>>
  return %a : tensor<2x?xf32, #fin.tensor<["", "N"]>>
}

// CHECK-LABEL: @broadcasts_become_one
// CHECK-SAME: (%[[X:.*]]: tensor<3xf32>)
// CHECK-NEXT: %[[WIDE:.*]] = fin.broadcast %[[X]] {shape = [4, 2, 3]}
// CHECK-NEXT: return %[[WIDE]], %[[X]]
func.func @broadcasts_become_one(%x: tensor<3xf32>) -> (tensor<4x2x3xf32>, tensor<3xf32>) {
  %a = fin.broadcast %x {shape = [2, 3]} : (tensor<3xf32>) -> tensor<2x3xf32>
  %b = fin.broadcast %a {shape = [4, 2, 3]} : (tensor<2x3xf32>) -> tensor<4x2x3xf32>
  %c = fin.broadcast %x {shape = [3]} : (tensor<3xf32>) -> tensor<3xf32>
  return %b, %c : tensor<4x2x3xf32>, tensor<3xf32>
}

// CHECK-LABEL: @fills_are_broadcasts
// CHECK-SAME: (%[[V:.*]]: tensor<f32>)
// CHECK-NEXT: %[[WIDE:.*]] = fin.broadcast %[[V]] {shape = [2, 3]}
// CHECK-NEXT: return %[[WIDE]], %[[V]]
func.func @fills_are_broadcasts(%v: tensor<f32>) -> (tensor<2x3xf32>, tensor<f32>) {
  %a = fin.full %v {shape = [2, 3]} : (tensor<f32>) -> tensor<2x3xf32>
  %b = fin.full %v {shape = []} : (tensor<f32>) -> tensor<f32>
  return %a, %b : tensor<2x3xf32>, tensor<f32>
}

// CHECK-LABEL: @transposes_become_one
// CHECK-SAME: (%[[X:.*]]: tensor<2x3x4xf32>)
// CHECK-NEXT: %[[MOVED:.*]] = fin.transpose %[[X]] {permutation = array<i64: 2, 0, 1>}
// CHECK-NEXT: return %[[MOVED]], %[[X]], %[[X]]
func.func @transposes_become_one(%x: tensor<2x3x4xf32>) -> (tensor<4x2x3xf32>, tensor<2x3x4xf32>, tensor<2x3x4xf32>) {
  // (1, 2, 0) twice is (2, 0, 1), three times nothing.
  %a = fin.transpose %x {permutation = array<i64: 1, 2, 0>} : (tensor<2x3x4xf32>) -> tensor<3x4x2xf32>
  %b = fin.transpose %a {permutation = array<i64: 1, 2, 0>} : (tensor<3x4x2xf32>) -> tensor<4x2x3xf32>
  %c = fin.transpose %b {permutation = array<i64: 1, 2, 0>} : (tensor<4x2x3xf32>) -> tensor<2x3x4xf32>
  %d = fin.transpose %x {permutation = array<i64: 0, 1, 2>} : (tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  return %b, %c, %d : tensor<4x2x3xf32>, tensor<2x3x4xf32>, tensor<2x3x4xf32>
}

// The type stays, the elements do not.
// CHECK-LABEL: @square_transpose_is_kept
// CHECK: fin.transpose
func.func @square_transpose_is_kept(%x: tensor<3x3xf32>) -> tensor<3x3xf32> {
  %a = fin.transpose %x {permutation = array<i64: 1, 0>} : (tensor<3x3xf32>) -> tensor<3x3xf32>
  return %a : tensor<3x3xf32>
}

// CHECK-LABEL: @concat_of_one
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>)
// CHECK-NEXT: %[[TWO:.*]] = fin.concat %[[X]], %[[X]]
// CHECK-NEXT: return %[[X]], %[[TWO]]
func.func @concat_of_one(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<8xf32>) {
  %a = fin.concat %x {axis = 0 : i64} : (tensor<4xf32>) -> tensor<4xf32>
  %b = fin.concat %x, %x {axis = 0 : i64} : (tensor<4xf32>, tensor<4xf32>) -> tensor<8xf32>
  return %a, %b : tensor<4xf32>, tensor<8xf32>
}

// CHECK-LABEL: @pad_by_nothing
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>, %[[V:.*]]: tensor<f32>)
// CHECK-NEXT: %[[PADDED:.*]] = fin.pad %[[X]], %[[V]]
// CHECK-NEXT: return %[[X]], %[[PADDED]]
func.func @pad_by_nothing(%x: tensor<4xf32>, %v: tensor<f32>) -> (tensor<4xf32>, tensor<5xf32>) {
  %a = fin.pad %x, %v {low = array<i64: 0>, high = array<i64: 0>} : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %b = fin.pad %x, %v {low = array<i64: 0>, high = array<i64: 1>} : (tensor<4xf32>, tensor<f32>) -> tensor<5xf32>
  return %a, %b : tensor<4xf32>, tensor<5xf32>
}

// CHECK-LABEL: @slice_of_everything
// CHECK-SAME: (%[[X:.*]]: tensor<4x4xf32>, %[[U:.*]]: tensor<4x4xf32>
// CHECK-NEXT: return %[[X]], %[[U]]
func.func @slice_of_everything(%x: tensor<4x4xf32>, %u: tensor<4x4xf32>) -> (tensor<4x4xf32>, tensor<4x4xf32>) {
  %zero = fin.constant dense<0> : tensor<2xi64>
  %a = fin.slice %x, %zero {sizes = [4, 4], steps = array<i64: 1, 1>} : (tensor<4x4xf32>, tensor<2xi64>) -> tensor<4x4xf32>
  %b = fin.slice_update %x, %u, %zero {steps = array<i64: 1, 1>} : (tensor<4x4xf32>, tensor<4x4xf32>, tensor<2xi64>) -> tensor<4x4xf32>
  return %a, %b : tensor<4x4xf32>, tensor<4x4xf32>
}

// Starts that are not known, or out of range, must fail when the graph runs; a step of -1 reverses.
// CHECK-LABEL: @slice_from_elsewhere_is_kept
// CHECK: fin.slice %
// CHECK: fin.slice %
// CHECK: fin.slice_update
func.func @slice_from_elsewhere_is_kept(%x: tensor<4xf32>, %s: tensor<1xi64>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %three = fin.constant dense<3> : tensor<1xi64>
  %a = fin.slice %x, %s {sizes = [4], steps = array<i64: 1>} : (tensor<4xf32>, tensor<1xi64>) -> tensor<4xf32>
  %b = fin.slice %x, %three {sizes = [4], steps = array<i64: -1>} : (tensor<4xf32>, tensor<1xi64>) -> tensor<4xf32>
  %c = fin.slice_update %x, %x, %s {steps = array<i64: 1>} : (tensor<4xf32>, tensor<4xf32>, tensor<1xi64>) -> tensor<4xf32>
  return %a, %b, %c : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: @reductions_over_no_axes
// CHECK-SAME: (%[[X:.*]]: tensor<4x1xf32>)
// CHECK-NEXT: %[[SUM:.*]] = fin.sum %[[X]] {axes = array<i64: 1>, keepdims = true}
// CHECK-NEXT: return %[[X]], %[[X]], %[[X]], %[[X]], %[[SUM]]
func.func @reductions_over_no_axes(%x: tensor<4x1xf32>) -> (tensor<4x1xf32>, tensor<4x1xf32>, tensor<4x1xf32>, tensor<4x1xf32>, tensor<4x1xf32>) {
  %a = fin.sum %x {axes = array<i64>, keepdims = false} : (tensor<4x1xf32>) -> tensor<4x1xf32>
  %b = fin.mean %x {axes = array<i64>, keepdims = true} : (tensor<4x1xf32>) -> tensor<4x1xf32>
  %c = fin.reduce_max %x {axes = array<i64>, keepdims = false} : (tensor<4x1xf32>) -> tensor<4x1xf32>
  %d = fin.reduce_min %x {axes = array<i64>, keepdims = false} : (tensor<4x1xf32>) -> tensor<4x1xf32>
  %e = fin.sum %x {axes = array<i64: 1>, keepdims = true} : (tensor<4x1xf32>) -> tensor<4x1xf32>
  return %a, %b, %c, %d, %e : tensor<4x1xf32>, tensor<4x1xf32>, tensor<4x1xf32>, tensor<4x1xf32>, tensor<4x1xf32>
}
