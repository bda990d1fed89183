// RUN: %roundtrip

// CHECK-LABEL: @two_results_and_attributes
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>, %[[Y:.*]]: tensor<4xf32>)
func.func @two_results_and_attributes(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: %[[FUSION:.*]]:2 = fin.fusion "map" (%[[A:.*]] = %[[X]] : tensor<4xf32>, %[[B:.*]] = %[[Y]] : tensor<4xf32>)
  // CHECK-SAME: -> (tensor<4xf32>, tensor<4xf32>) attributes {fin.offsets = array<i64: 0, 64>} {
  %r:2 = fin.fusion "map" (%a = %x : tensor<4xf32>, %b = %y : tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
      attributes {fin.offsets = array<i64: 0, 64>} {
    // CHECK-NEXT: %[[SUM:.*]] = fin.add %[[A]], %[[B]]
    %s = fin.add %a, %b : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    // CHECK-NEXT: fin.yield %[[SUM]], %[[A]] : tensor<4xf32>, tensor<4xf32>
    fin.yield %s, %a : tensor<4xf32>, tensor<4xf32>
  }
  // CHECK: return %[[FUSION]]#1
  return %r#1 : tensor<4xf32>
}

// CHECK-LABEL: @no_inputs
func.func @no_inputs() -> tensor<f32> {
  // CHECK: fin.fusion "reduction" () -> (tensor<f32>) {
  %r = fin.fusion "reduction" () -> (tensor<f32>) {
    %c = fin.constant dense<1.0> : tensor<f32>
    fin.yield %c : tensor<f32>
  }
  return %r : tensor<f32>
}

// CHECK-LABEL: @symbolic
func.func @symbolic(%x: tensor<?x4xf32, #fin.tensor<["4*N", ""]>>) -> tensor<?x4xf32, #fin.tensor<["4*N", ""]>> {
  // CHECK: fin.fusion "map" (%{{.*}} = %{{.*}} : tensor<?x4xf32, #fin.tensor<["4*N", ""]>>)
  %r = fin.fusion "map" (%a = %x : tensor<?x4xf32, #fin.tensor<["4*N", ""]>>) -> (tensor<?x4xf32, #fin.tensor<["4*N", ""]>>) {
    %y = fin.relu %a : (tensor<?x4xf32, #fin.tensor<["4*N", ""]>>) -> tensor<?x4xf32, #fin.tensor<["4*N", ""]>>
    fin.yield %y : tensor<?x4xf32, #fin.tensor<["4*N", ""]>>
  }
  return %r : tensor<?x4xf32, #fin.tensor<["4*N", ""]>>
}
