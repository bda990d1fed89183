// RUN: %roundtrip
// Symbols pass through the rules: each function would not verify were the inferred type another.

// CHECK-LABEL: @mlp_of_any_batch
func.func @mlp_of_any_batch(%x: tensor<?x4xf32, #fin.tensor<["N", ""]>>, %w: tensor<4x3xf32>, %b: tensor<3xf32>)
    -> tensor<?xf32, #fin.tensor<["N"]>> {
  // CHECK: fin.matmul {{.*}} -> tensor<?x3xf32, #fin.tensor<["N", ""]>>
  %h = fin.matmul %x, %w {transpose_lhs = false, transpose_rhs = false} : (tensor<?x4xf32, #fin.tensor<["N", ""]>>, tensor<4x3xf32>) -> tensor<?x3xf32, #fin.tensor<["N", ""]>>
  // CHECK: fin.add {{.*}} -> tensor<?x3xf32, #fin.tensor<["N", ""]>>
  %a = fin.add %h, %b : (tensor<?x3xf32, #fin.tensor<["N", ""]>>, tensor<3xf32>) -> tensor<?x3xf32, #fin.tensor<["N", ""]>>
  // CHECK: fin.sum {{.*}} -> tensor<?xf32, #fin.tensor<["N"]>>
  %s = fin.sum %a {axes = array<i64: 1>, keepdims = false} : (tensor<?x3xf32, #fin.tensor<["N", ""]>>) -> tensor<?xf32, #fin.tensor<["N"]>>
  return %s : tensor<?xf32, #fin.tensor<["N"]>>
}

// CHECK-LABEL: @reshape_by_the_product_rule
func.func @reshape_by_the_product_rule(%x: tensor<?x4x?xf32, #fin.tensor<["N", "", "T"]>>, %y: tensor<?x4xf32, #fin.tensor<["N", ""]>>) {
  // CHECK: shape = [4, "N", "T"]
  %a = fin.reshape %x {shape = [4, "N", "T"]} : (tensor<?x4x?xf32, #fin.tensor<["N", "", "T"]>>) -> tensor<4x?x?xf32, #fin.tensor<["", "N", "T"]>>
  // CHECK: shape = ["4*N"]
  %b = fin.reshape %y {shape = ["4*N"]} : (tensor<?x4xf32, #fin.tensor<["N", ""]>>) -> tensor<?xf32, #fin.tensor<["4*N"]>>
  // CHECK: shape = [2, "2*N"]
  %c = fin.reshape %b {shape = [2, "2*N"]} : (tensor<?xf32, #fin.tensor<["4*N"]>>) -> tensor<2x?xf32, #fin.tensor<["", "2*N"]>>
  return
}

// CHECK-LABEL: @concat_adds_factors
func.func @concat_adds_factors(%x: tensor<?xf32, #fin.tensor<["N"]>>) {
  // CHECK: fin.concat {{.*}} -> tensor<?xf32, #fin.tensor<["2*N"]>>
  %a = fin.concat %x, %x {axis = 0 : i64} : (tensor<?xf32, #fin.tensor<["N"]>>, tensor<?xf32, #fin.tensor<["N"]>>) -> tensor<?xf32, #fin.tensor<["2*N"]>>
  return
}

// CHECK-LABEL: @windows_of_a_symbolic_axis
func.func @windows_of_a_symbolic_axis(%x: tensor<?xf32, #fin.tensor<["2*N"]>>, %s: tensor<1xi64>) {
  // CHECK: sizes = ["N"], steps = array<i64: 2>
  %a = fin.slice %x, %s {sizes = ["N"], steps = array<i64: 2>} : (tensor<?xf32, #fin.tensor<["2*N"]>>, tensor<1xi64>) -> tensor<?xf32, #fin.tensor<["N"]>>
  // CHECK: sizes = [7]
  %b = fin.slice %x, %s {sizes = [7], steps = array<i64: 1>} : (tensor<?xf32, #fin.tensor<["2*N"]>>, tensor<1xi64>) -> tensor<7xf32>
  return
}

// CHECK-LABEL: @convolution_of_any_batch
func.func @convolution_of_any_batch(%x: tensor<?x3x8x8xf32, #fin.tensor<["N", "", "", ""]>>, %w: tensor<4x3x3x3xf32>) {
  // CHECK: fin.conv2d {{.*}} -> tensor<?x4x4x4xf32, #fin.tensor<["N", "", "", ""]>>
  %a = fin.conv2d %x, %w {strides = array<i64: 2, 2>, padding = array<i64: 1, 1>} : (tensor<?x3x8x8xf32, #fin.tensor<["N", "", "", ""]>>, tensor<4x3x3x3xf32>) -> tensor<?x4x4x4xf32, #fin.tensor<["N", "", "", ""]>>
  return
}

// CHECK-LABEL: @norm_statistics_broadcast_with_x
func.func @norm_statistics_broadcast_with_x(%x: tensor<?x2x3xf32, #fin.tensor<["N", "", ""]>>, %w: tensor<2x3xf32>) {
  // CHECK: fin.layer_norm {{.*}} tensor<?x1x1xf32, #fin.tensor<["N", "", ""]>>, tensor<?x1x1xf32, #fin.tensor<["N", "", ""]>>)
  %a:3 = fin.layer_norm %x, %w, %w {axis = 1 : i64, eps = 1.0e-05 : f64} : (tensor<?x2x3xf32, #fin.tensor<["N", "", ""]>>, tensor<2x3xf32>, tensor<2x3xf32>) -> (tensor<?x2x3xf32, #fin.tensor<["N", "", ""]>>, tensor<?x1x1xf32, #fin.tensor<["N", "", ""]>>, tensor<?x1x1xf32, #fin.tensor<["N", "", ""]>>)
  return
}
