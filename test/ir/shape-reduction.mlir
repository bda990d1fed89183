// RUN: %verify

func.func @axis_out_of_range(%x: tensor<2x3xf32>) {
  // expected-error @+2 {{axis 3 is out of range for rank 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.sum %x {axes = array<i64: 3>, keepdims = false} : (tensor<2x3xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @negative_axis(%x: tensor<2x3xf32>) {
  // expected-error @+2 {{axis -1 is out of range for rank 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.mean %x {axes = array<i64: -1>, keepdims = false} : (tensor<2x3xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @repeated_axis(%x: tensor<2x3xf32>) {
  // expected-error @+2 {{axes repeat axis 1}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.sum %x {axes = array<i64: 1, 1>, keepdims = false} : (tensor<2x3xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @largest_of_nothing(%x: tensor<0x3xf32>) {
  // expected-error @+2 {{axis 0 of float32[0, 3] is empty, wanted at least one element}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.reduce_max %x {axes = array<i64: 0>, keepdims = false} : (tensor<0x3xf32>) -> tensor<3xf32>
  return
}

// -----

func.func @smallest_of_nothing(%x: tensor<2x0xf32>) {
  // expected-error @+2 {{axis 1 of float32[2, 0] is empty}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.reduce_min %x {axes = array<i64: 0, 1>, keepdims = false} : (tensor<2x0xf32>) -> tensor<f32>
  return
}

// -----

func.func @argmax_of_nothing(%x: tensor<2x0xf32>) {
  // expected-error @+2 {{axis 1 of float32[2, 0] is empty}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.argmax %x {axis = 1 : i64, keepdims = false} : (tensor<2x0xf32>) -> tensor<2xi64>
  return
}

// -----

func.func @argmax_axis(%x: tensor<f32>) {
  // expected-error @+2 {{axis 0 is out of range for rank 0}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.argmax %x {axis = 0 : i64, keepdims = false} : (tensor<f32>) -> tensor<i64>
  return
}
