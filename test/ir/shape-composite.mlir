// RUN: %verify

func.func @softmax_axis(%x: tensor<2x3xf32>) {
  // expected-error @+2 {{axis 2 is out of range for rank 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.softmax %x {axis = 2 : i64} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @layer_norm_weight(%x: tensor<2x3xf32>, %w: tensor<2xf32>, %b: tensor<3xf32>) {
  // expected-error @+2 {{weight is float32[2], wanted [3] for x float32[2, 3]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r:3 = fin.layer_norm %x, %w, %b {axis = 1 : i64, eps = 1.0e-05 : f64} : (tensor<2x3xf32>, tensor<2xf32>, tensor<3xf32>) -> (tensor<2x3xf32>, tensor<2x1xf32>, tensor<2x1xf32>)
  return
}

// -----

func.func @layer_norm_axis(%x: tensor<2x3xf32>, %w: tensor<f32>) {
  // expected-error @+2 {{axis 2 is out of range for rank 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %r:3 = fin.layer_norm %x, %w, %w {axis = 2 : i64, eps = 1.0e-05 : f64} : (tensor<2x3xf32>, tensor<f32>, tensor<f32>) -> (tensor<2x3xf32>, tensor<2x1xf32>, tensor<2x1xf32>)
  return
}

// -----

func.func @batch_norm_bias(%x: tensor<2x3xf32>, %w: tensor<3xf32>, %b: tensor<2xf32>) {
  // expected-error @+2 {{bias is float32[2], wanted [3] for x float32[2, 3]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r:3 = fin.batch_norm %x, %w, %b {eps = 1.0e-05 : f64} : (tensor<2x3xf32>, tensor<3xf32>, tensor<2xf32>) -> (tensor<2x3xf32>, tensor<3xf32>, tensor<3xf32>)
  return
}

// -----

func.func @batch_norm_rank(%x: tensor<3xf32>) {
  // expected-error @+2 {{x is float32[3], wanted rank 2 or more (axis 1 holds the channels)}}
  // expected-error @+1 {{failed to infer returned types}}
  %r:3 = fin.batch_norm %x, %x, %x {eps = 1.0e-05 : f64} : (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>)
  return
}

// -----

func.func @batch_norm_dtype(%x: tensor<2x3xf32>, %w: tensor<3xf32>, %v: tensor<3xf64>) {
  // expected-error @+2 {{operand dtypes differ: float32 vs float64}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.batch_norm_inference %x, %w, %w, %w, %v {eps = 1.0e-05 : f64} : (tensor<2x3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf64>) -> tensor<2x3xf32>
  return
}

// -----

func.func @cross_entropy_batch(%x: tensor<8x10xf32>, %l: tensor<7xi64>) {
  // expected-error @+2 {{batch sizes differ: 8 vs 7 (logits float32[8, 10], labels int64[7])}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.cross_entropy %x, %l {reduction = 1 : i64} : (tensor<8x10xf32>, tensor<7xi64>) -> tensor<f32>
  return
}

// -----

func.func @cross_entropy_labels(%x: tensor<8x10xf32>, %l: tensor<8x1xi64>) {
  // expected-error @+2 {{labels is int64[8, 1], wanted rank 1}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.cross_entropy %x, %l {reduction = 1 : i64} : (tensor<8x10xf32>, tensor<8x1xi64>) -> tensor<f32>
  return
}

// -----

func.func @loss_reduction(%x: tensor<8xf32>) {
  // expected-error @+2 {{reduction is 3, wanted 0 (none), 1 (mean) or 2 (sum)}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.mse_loss %x, %x {reduction = 3 : i64} : (tensor<8xf32>, tensor<8xf32>) -> tensor<f32>
  return
}

// -----

func.func @loss_shapes(%x: tensor<8x1xf32>, %t: tensor<8xf32>) {
  // expected-error @+2 {{shapes differ: [8, 1] vs [8]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.bce_with_logits %x, %t {reduction = 1 : i64} : (tensor<8x1xf32>, tensor<8xf32>) -> tensor<f32>
  return
}

// -----

func.func @dropout_p_rank(%x: tensor<8xf32>, %s: tensor<2xi64>) {
  // expected-error @+2 {{p is float32[8], wanted rank 0}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.dropout %x, %x, %s {offset = 0 : i64} : (tensor<8xf32>, tensor<8xf32>, tensor<2xi64>) -> tensor<8xf32>
  return
}

// -----

func.func @dropout_p_dtype(%x: tensor<8xf32>, %p: tensor<f64>, %s: tensor<2xi64>) {
  // expected-error @+2 {{operand dtypes differ: float32 vs float64}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.dropout %x, %p, %s {offset = 0 : i64} : (tensor<8xf32>, tensor<f64>, tensor<2xi64>) -> tensor<8xf32>
  return
}

// -----

func.func @random_state(%s: tensor<3xi64>) {
  // expected-error @+2 {{state is int64[3], wanted int64[2] (seed, counter)}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.random_bits %s {shape = [2], offset = 0 : i64} : (tensor<3xi64>) -> tensor<2xi32>
  return
}

// -----

func.func @random_dtype(%s: tensor<2xi64>) {
  // expected-error @+2 {{dtype is int32, wanted a floating-point dtype}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.uniform %s {shape = [2], dtype = i32, offset = 0 : i64} : (tensor<2xi64>) -> tensor<2xf32>
  return
}

// -----

func.func @random_offset(%s: tensor<2xi64>) {
  // expected-error @+2 {{offset is -1, wanted at least 0}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.normal %s {shape = [2], dtype = f32, offset = -1 : i64} : (tensor<2xi64>) -> tensor<2xf32>
  return
}

// -----

func.func @norm_of_halves_takes_f32_parameters_and_has_f32_statistics(%x: tensor<2x3xbf16>, %w: tensor<3xf32>, %h: tensor<3xbf16>) {
  %a:3 = fin.layer_norm %x, %w, %w {axis = 1 : i64, eps = 1.0e-05 : f64} : (tensor<2x3xbf16>, tensor<3xf32>, tensor<3xf32>) -> (tensor<2x3xbf16>, tensor<2x1xf32>, tensor<2x1xf32>)
  %b:3 = fin.batch_norm %x, %h, %w {eps = 1.0e-05 : f64} : (tensor<2x3xbf16>, tensor<3xbf16>, tensor<3xf32>) -> (tensor<2x3xbf16>, tensor<3xf32>, tensor<3xf32>)
  return
}

// -----

func.func @norm_of_f32_takes_no_halves(%x: tensor<2x3xf32>, %w: tensor<3xbf16>) {
  // expected-error @+2 {{operand dtypes differ: float32 vs bfloat16}}
  // expected-error @+1 {{failed to infer returned types}}
  %r:3 = fin.layer_norm %x, %w, %w {axis = 1 : i64, eps = 1.0e-05 : f64} : (tensor<2x3xf32>, tensor<3xbf16>, tensor<3xbf16>) -> (tensor<2x3xf32>, tensor<2x1xf32>, tensor<2x1xf32>)
  return
}
