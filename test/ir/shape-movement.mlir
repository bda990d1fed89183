// RUN: %verify

func.func @reshape_elements(%x: tensor<2x3xf32>) {
  // expected-error @+2 {{cannot reshape [2, 3] (6 elements) to [4]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.reshape %x {shape = [4]} : (tensor<2x3xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @reshape_symbol(%x: tensor<?x4xf32, #fin.tensor<["N", ""]>>) {
  // expected-error @+2 {{cannot reshape [N, 4] (4*N elements) to [N, 5]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.reshape %x {shape = ["N", 5]} : (tensor<?x4xf32, #fin.tensor<["N", ""]>>) -> tensor<?x4xf32, #fin.tensor<["N", ""]>>
  return
}

// -----

func.func @reshape_bad_name(%x: tensor<?x4xf32, #fin.tensor<["N", ""]>>) {
  // expected-error @+2 {{attributes are missing or of the wrong kind}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.reshape %x {shape = ["-N", 4]} : (tensor<?x4xf32, #fin.tensor<["N", ""]>>) -> tensor<?x4xf32, #fin.tensor<["N", ""]>>
  return
}

// -----

func.func @reshape_negative(%x: tensor<2x3xf32>) {
  // expected-error @+2 {{attributes are missing or of the wrong kind}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.reshape %x {shape = [-1]} : (tensor<2x3xf32>) -> tensor<6xf32>
  return
}

// -----

func.func @too_many_elements(%x: tensor<f32>) {
  // expected-error @+2 {{has more than 2**62 elements}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.full %x {shape = [4611686018427387904, 2]} : (tensor<f32>) -> tensor<1xf32>
  return
}

// -----

func.func @transpose_entries(%x: tensor<2x3xf32>) {
  // expected-error @+2 {{permutation has 1 entries, wanted 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.transpose %x {permutation = array<i64: 0>} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @transpose_repeats(%x: tensor<2x3xf32>) {
  // expected-error @+2 {{axes repeat axis 1}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.transpose %x {permutation = array<i64: 1, 1>} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @broadcast_extent(%x: tensor<3xf32>) {
  // expected-error @+2 {{cannot broadcast [3] to [3, 4]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.broadcast %x {shape = [3, 4]} : (tensor<3xf32>) -> tensor<3x4xf32>
  return
}

// -----

func.func @broadcast_to_less(%x: tensor<1x3xf32>) {
  // expected-error @+2 {{cannot broadcast [1, 3] to [3]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.broadcast %x {shape = [3]} : (tensor<1x3xf32>) -> tensor<3xf32>
  return
}

// -----

func.func @full_of_a_vector(%x: tensor<3xf32>) {
  // expected-error @+2 {{value is float32[3], wanted rank 0}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.full %x {shape = [3]} : (tensor<3xf32>) -> tensor<3xf32>
  return
}

// -----

func.func @iota_axis() {
  // expected-error @+2 {{axis 1 is out of range for rank 1}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.iota {shape = [3], axis = 1 : i64, dtype = i64} : () -> tensor<3xi64>
  return
}

// -----

func.func @iota_bool() {
  // expected-error @+2 {{dtype is bool, wanted a number dtype}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.iota {shape = [3], axis = 0 : i64, dtype = i1} : () -> tensor<3xi1>
  return
}

// -----

func.func @concat_ranks(%x: tensor<2x3xf32>, %y: tensor<3xf32>) {
  // expected-error @+2 {{ranks differ: [2, 3] vs [3]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.concat %x, %y {axis = 0 : i64} : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<3x3xf32>
  return
}

// -----

func.func @concat_shapes(%x: tensor<2x3xf32>, %y: tensor<2x4xf32>) {
  // expected-error @+2 {{shapes differ outside axis 0: [2, 3] vs [2, 4]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.concat %x, %y {axis = 0 : i64} : (tensor<2x3xf32>, tensor<2x4xf32>) -> tensor<4x3xf32>
  return
}

// -----

func.func @concat_symbols(%x: tensor<?x4xf32, #fin.tensor<["N", ""]>>, %y: tensor<2x4xf32>) {
  // expected-error @+2 {{cannot add the extents N and 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.concat %x, %y {axis = 0 : i64} : (tensor<?x4xf32, #fin.tensor<["N", ""]>>, tensor<2x4xf32>) -> tensor<?x4xf32, #fin.tensor<["N", ""]>>
  return
}

// -----

func.func @concat_of_nothing() {
  // expected-error @+2 {{found 0 operands, wanted at least 1}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.concat {axis = 0 : i64} : () -> tensor<4xf32>
  return
}

// -----

func.func @pad_negative(%x: tensor<3xf32>, %v: tensor<f32>) {
  // expected-error @+2 {{low has the entry -1, wanted at least 0}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.pad %x, %v {low = array<i64: -1>, high = array<i64: 0>} : (tensor<3xf32>, tensor<f32>) -> tensor<2xf32>
  return
}

// -----

func.func @pad_value_rank(%x: tensor<3xf32>) {
  // expected-error @+2 {{value is float32[3], wanted rank 0}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.pad %x, %x {low = array<i64: 1>, high = array<i64: 0>} : (tensor<3xf32>, tensor<3xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @pad_symbol(%x: tensor<?x4xf32, #fin.tensor<["N", ""]>>, %v: tensor<f32>) {
  // expected-error @+2 {{cannot pad extent N by 1 and 0}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.pad %x, %v {low = array<i64: 1, 0>, high = array<i64: 0, 0>} : (tensor<?x4xf32, #fin.tensor<["N", ""]>>, tensor<f32>) -> tensor<?x4xf32, #fin.tensor<["N", ""]>>
  return
}
