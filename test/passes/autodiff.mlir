// SPDX-License-Identifier: Apache-2.0
// RUN: tinyfin-opt %s --split-input-file --fin-autodiff | FileCheck %s

// CHECK-LABEL: func.func @a_cotangent_in_for_each_float_result_and_out_for_each_float_argument
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>, %[[DY:.*]]: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
func.func @a_cotangent_in_for_each_float_result_and_out_for_each_float_argument(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: %[[Y:.*]] = fin.exp %[[X]]
  // CHECK: %[[DX:.*]] = fin.mul %[[DY]], %[[Y]]
  // CHECK: return %[[Y]], %[[DX]]
  %0 = fin.exp %x : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @uses_add_up
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>, %[[DY:.*]]: tensor<4xf32>)
func.func @uses_add_up(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: %[[Y:.*]] = fin.mul %[[X]], %[[X]]
  // CHECK: %[[LHS:.*]] = fin.mul %[[DY]], %[[X]]
  // CHECK: %[[RHS:.*]] = fin.mul %[[DY]], %[[X]]
  // CHECK: %[[DX:.*]] = fin.add %[[LHS]], %[[RHS]]
  // CHECK: return %[[Y]], %[[DX]]
  %0 = fin.mul %x, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @integers_and_scalars_have_none
// CHECK-SAME: (%{{.*}}: tensor<5x3xf32>, %[[I:.*]]: tensor<2xi64>, %[[S:.*]]: tensor<f32> {fin.scalar}, %[[DY:.*]]: tensor<2x3xf32>)
// CHECK-SAME: -> (tensor<2x3xf32>, tensor<2x3xi1>, tensor<5x3xf32>)
func.func @integers_and_scalars_have_none(%w: tensor<5x3xf32>, %i: tensor<2xi64>, %s: tensor<f32> {fin.scalar})
    -> (tensor<2x3xf32>, tensor<2x3xi1>) {
  // CHECK: %[[SCALED:.*]] = fin.mul %[[DY]], %[[S]]
  // CHECK: %[[ZEROS:.*]] = fin.full
  // CHECK: fin.scatter_add %[[ZEROS]], %[[I]], %[[SCALED]]
  %0 = fin.embedding %w, %i : (tensor<5x3xf32>, tensor<2xi64>) -> tensor<2x3xf32>
  %1 = fin.mul %0, %s : (tensor<2x3xf32>, tensor<f32>) -> tensor<2x3xf32>
  %2 = fin.gt %1, %s : (tensor<2x3xf32>, tensor<f32>) -> tensor<2x3xi1>
  return %1, %2 : tensor<2x3xf32>, tensor<2x3xi1>
}

// -----

// CHECK-LABEL: func.func @what_the_results_do_not_depend_on_gets_zeros
// CHECK-SAME: (%{{.*}}: tensor<4xf32>, %{{.*}}: tensor<3xf32>, %[[DY:.*]]: tensor<4xf32>)
func.func @what_the_results_do_not_depend_on_gets_zeros(%x: tensor<4xf32>, %unused: tensor<3xf32>) -> tensor<4xf32> {
  // CHECK: %[[DX:.*]] = fin.neg %[[DY]]
  // CHECK: %[[ZEROS:.*]] = fin.full {{.*}} -> tensor<3xf32>
  // CHECK: return %{{.*}}, %[[DX]], %[[ZEROS]]
  %0 = fin.neg %x : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @steps_stop_the_flow
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>, %[[DY:.*]]: tensor<4xf32>)
func.func @steps_stop_the_flow(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: %[[SIGN:.*]] = fin.sign %[[X]]
  // CHECK: %[[DX:.*]] = fin.mul %[[DY]], %[[SIGN]]
  // CHECK-NEXT: return %{{.*}}, %[[DX]]
  %0 = fin.sign %x : (tensor<4xf32>) -> tensor<4xf32>
  %1 = fin.mul %x, %0 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %1 : tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @symbolic_shapes_stay_symbolic
// CHECK-SAME: -> (tensor<f32>, tensor<?x4xf32, #fin.tensor<["N", ""]>>, tensor<4x5xf32>)
func.func @symbolic_shapes_stay_symbolic(%x: tensor<?x4xf32, #fin.tensor<["N", ""]>>, %w: tensor<4x5xf32>) -> tensor<f32> {
  // The mean's count is known only at run time: a sum of ones.
  // CHECK: %[[ONES:.*]] = fin.full {{.*}}shape = ["N", 5]
  // CHECK: fin.sum %[[ONES]]
  %0 = fin.matmul %x, %w {transpose_lhs = false, transpose_rhs = false}
      : (tensor<?x4xf32, #fin.tensor<["N", ""]>>, tensor<4x5xf32>) -> tensor<?x5xf32, #fin.tensor<["N", ""]>>
  %1 = fin.mean %0 {axes = array<i64: 0, 1>, keepdims = false} : (tensor<?x5xf32, #fin.tensor<["N", ""]>>) -> tensor<f32>
  return %1 : tensor<f32>
}
