// RUN: %verify

func.func @do_not_broadcast(%x: tensor<3xf32>, %y: tensor<4xf32>) {
  // expected-error @+2 {{shapes do not broadcast: [3] vs [4]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.add %x, %y : (tensor<3xf32>, tensor<4xf32>) -> tensor<3xf32>
  return
}

// -----

func.func @symbols_differ(%x: tensor<?x4xf32, #fin.tensor<["N", ""]>>, %y: tensor<?x4xf32, #fin.tensor<["M", ""]>>) {
  // expected-error @+2 {{shapes do not broadcast: [N, 4] vs [M, 4]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.add %x, %y : (tensor<?x4xf32, #fin.tensor<["N", ""]>>, tensor<?x4xf32, #fin.tensor<["M", ""]>>) -> tensor<?x4xf32, #fin.tensor<["N", ""]>>
  return
}

// -----

func.func @symbol_and_number(%x: tensor<?x4xf32, #fin.tensor<["N", ""]>>, %y: tensor<2x4xf32>) {
  // expected-error @+2 {{shapes do not broadcast: [N, 4] vs [2, 4]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.mul %x, %y : (tensor<?x4xf32, #fin.tensor<["N", ""]>>, tensor<2x4xf32>) -> tensor<?x4xf32, #fin.tensor<["N", ""]>>
  return
}

// -----

func.func @dtypes_differ(%x: tensor<3xf32>, %y: tensor<3xi64>) {
  // expected-error @+2 {{operand dtypes differ: float32 vs int64}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.add %x, %y : (tensor<3xf32>, tensor<3xi64>) -> tensor<3xf32>
  return
}

// -----

func.func @compared_dtypes_differ(%x: tensor<3xf32>, %y: tensor<3xbf16>) {
  // expected-error @+2 {{operand dtypes differ: float32 vs bfloat16}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.lt %x, %y : (tensor<3xf32>, tensor<3xbf16>) -> tensor<3xi1>
  return
}

// -----

func.func @select_branches_differ(%p: tensor<3xi1>, %x: tensor<3xf32>, %y: tensor<3xf64>) {
  // expected-error @+2 {{operand dtypes differ: float32 vs float64}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.select %p, %x, %y : (tensor<3xi1>, tensor<3xf32>, tensor<3xf64>) -> tensor<3xf32>
  return
}

// -----

func.func @clamp_three(%x: tensor<2x3xf32>, %y: tensor<2xf32>) {
  // expected-error @+2 {{shapes do not broadcast: [2, 3] vs [2] vs [2]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.clamp %x, %y, %y : (tensor<2x3xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @cast_to_no_dtype(%x: tensor<3xf32>) {
  // expected-error @+2 {{attributes are missing or of the wrong kind}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.cast %x {dtype = i16} : (tensor<3xf32>) -> tensor<3xf32>
  return
}
