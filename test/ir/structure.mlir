// RUN: %roundtrip

// CHECK-LABEL: @constants
func.func @constants() -> (tensor<2xf32>, tensor<ui8>, tensor<3xi1>) {
  // CHECK: fin.constant dense<[1.000000e+00, -0.000000e+00]> : tensor<2xf32>
  %a = fin.constant dense<[1.0, -0.0]> : tensor<2xf32>
  // CHECK: fin.constant {name = "limit"} dense<255> : tensor<ui8>
  %b = fin.constant {name = "limit"} dense<255> : tensor<ui8>
  // CHECK: fin.constant dense<[true, false, true]> : tensor<3xi1>
  %c = fin.constant dense<[true, false, true]> : tensor<3xi1>
  return %a, %b, %c : tensor<2xf32>, tensor<ui8>, tensor<3xi1>
}

// CHECK-LABEL: @resource_constant
func.func @resource_constant() -> tensor<2xf32> {
  // CHECK: fin.constant dense_resource<w> : tensor<2xf32>
  %w = fin.constant dense_resource<w> : tensor<2xf32>
  return %w : tensor<2xf32>
}

// CHECK-LABEL: @alias_and_transfer
// CHECK-SAME: (%[[X:.*]]: tensor<4xf32>)
func.func @alias_and_transfer(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: %[[Y:.*]] = fin.transfer %[[X]] to "cuda:0" : tensor<4xf32>
  %y = fin.transfer %x to "cuda:0" : tensor<4xf32>
  // CHECK: fin.alias %[[Y]] into %[[X]] : tensor<4xf32>, tensor<4xf32>
  %z = fin.alias %y into %x : tensor<4xf32>, tensor<4xf32>
  return %z : tensor<4xf32>
}

// The blob: alignment 4, then 1.0 and 2.0.
{-# dialect_resources: { builtin: { w: "0x040000000000803F00000040" } } #-}
