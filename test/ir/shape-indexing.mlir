// RUN: %verify

func.func @slice_starts(%x: tensor<4x4xf32>, %s: tensor<1xi64>) {
  // expected-error @+2 {{starts is int64[1], wanted int64[2]: an entry an axis of float32[4, 4]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.slice %x, %s {sizes = [2, 2], steps = array<i64: 1, 1>} : (tensor<4x4xf32>, tensor<1xi64>) -> tensor<2x2xf32>
  return
}

// -----

func.func @slice_rank(%x: tensor<4x4xf32>, %s: tensor<2xi64>) {
  // expected-error @+2 {{window [2] has rank 1, wanted 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.slice %x, %s {sizes = [2], steps = array<i64: 1, 1>} : (tensor<4x4xf32>, tensor<2xi64>) -> tensor<2xf32>
  return
}

// -----

func.func @slice_steps(%x: tensor<4x4xf32>, %s: tensor<2xi64>) {
  // expected-error @+2 {{steps has 1 entries, wanted 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.slice %x, %s {sizes = [2, 2], steps = array<i64: 1>} : (tensor<4x4xf32>, tensor<2xi64>) -> tensor<2x2xf32>
  return
}

// -----

func.func @slice_step_0(%x: tensor<4xf32>, %s: tensor<1xi64>) {
  // expected-error @+2 {{step of axis 0 is 0}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.slice %x, %s {sizes = [2], steps = array<i64: 0>} : (tensor<4xf32>, tensor<1xi64>) -> tensor<2xf32>
  return
}

// -----

func.func @slice_too_long(%x: tensor<4xf32>, %s: tensor<1xi64>) {
  // expected-error @+2 {{5 elements with step 1 do not fit axis 0 of float32[4]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.slice %x, %s {sizes = [5], steps = array<i64: 1>} : (tensor<4xf32>, tensor<1xi64>) -> tensor<5xf32>
  return
}

// -----

func.func @slice_step_too_far(%x: tensor<4xf32>, %s: tensor<1xi64>) {
  // expected-error @+2 {{3 elements with step -2 do not fit axis 0 of float32[4]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.slice %x, %s {sizes = [3], steps = array<i64: -2>} : (tensor<4xf32>, tensor<1xi64>) -> tensor<3xf32>
  return
}

// -----

func.func @slice_of_nothing(%x: tensor<0xf32>, %s: tensor<1xi64>) {
  // expected-error @+2 {{1 elements with step 1 do not fit axis 0 of float32[0]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.slice %x, %s {sizes = [1], steps = array<i64: 1>} : (tensor<0xf32>, tensor<1xi64>) -> tensor<1xf32>
  return
}

// -----

func.func @update_dtype(%x: tensor<4xf32>, %u: tensor<2xi64>, %s: tensor<1xi64>) {
  // expected-error @+2 {{operand dtypes differ: float32 vs int64}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.slice_update %x, %u, %s {steps = array<i64: 1>} : (tensor<4xf32>, tensor<2xi64>, tensor<1xi64>) -> tensor<4xf32>
  return
}

// -----

func.func @update_too_long(%x: tensor<4xf32>, %u: tensor<5xf32>, %s: tensor<1xi64>) {
  // expected-error @+2 {{5 elements with step 1 do not fit axis 0 of float32[4]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.slice_update %x, %u, %s {steps = array<i64: 1>} : (tensor<4xf32>, tensor<5xf32>, tensor<1xi64>) -> tensor<4xf32>
  return
}

// -----

func.func @gather_axis(%x: tensor<4xf32>, %i: tensor<2xi64>) {
  // expected-error @+2 {{axis 1 is out of range for rank 1}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.gather %x, %i {axis = 1 : i64} : (tensor<4xf32>, tensor<2xi64>) -> tensor<2xf32>
  return
}

// -----

func.func @scatter_updates(%x: tensor<5x3xf32>, %i: tensor<2xi64>, %u: tensor<2x4xf32>) {
  // expected-error @+2 {{updates is float32[2, 4], wanted [2, 3]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.scatter_add %x, %i, %u {axis = 0 : i64} : (tensor<5x3xf32>, tensor<2xi64>, tensor<2x4xf32>) -> tensor<5x3xf32>
  return
}

// -----

func.func @scatter_dtype(%x: tensor<5x3xf32>, %i: tensor<2xi64>, %u: tensor<2x3xf64>) {
  // expected-error @+2 {{operand dtypes differ: float32 vs float64}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.scatter_add %x, %i, %u {axis = 0 : i64} : (tensor<5x3xf32>, tensor<2xi64>, tensor<2x3xf64>) -> tensor<5x3xf32>
  return
}

// -----

func.func @embedding_rank(%x: tensor<5xf32>, %i: tensor<2xi64>) {
  // expected-error @+2 {{weight is float32[5], wanted rank 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.embedding %x, %i : (tensor<5xf32>, tensor<2xi64>) -> tensor<2xf32>
  return
}
