// SPDX-License-Identifier: Apache-2.0
// RUN: %verify

func.func @attention_dtypes(%x0: tensor<2x3x8x4xf32>, %x1: tensor<2x3x8x4xf64>, %x2: tensor<2x3x8x4xf32>) {
  // expected-error @+2 {{dtypes differ: q is float32[2, 3, 8, 4], found float64[2, 3, 8, 4]}}
  // expected-error @+1 {{failed to infer returned types}}
  %y, %lse = fin.attention %x0, %x1, %x2 {causal = true, scale = 0.5 : f64, heads_first = true} : (tensor<2x3x8x4xf32>, tensor<2x3x8x4xf64>, tensor<2x3x8x4xf32>) -> (tensor<2x3x8x4xf32>, tensor<2x3x8xf32>)
  return
}

// -----

func.func @attention_rank(%x0: tensor<3x8x4xf32>, %x1: tensor<2x3x8x4xf32>, %x2: tensor<2x3x8x4xf32>) {
  // expected-error @+2 {{found float32[3, 8, 4], wanted rank 4 for q, k and v}}
  // expected-error @+1 {{failed to infer returned types}}
  %y, %lse = fin.attention %x0, %x1, %x2 {causal = true, scale = 0.5 : f64, heads_first = true} : (tensor<3x8x4xf32>, tensor<2x3x8x4xf32>, tensor<2x3x8x4xf32>) -> (tensor<2x3x8x4xf32>, tensor<2x3x8xf32>)
  return
}

// -----

func.func @attention_heads(%x0: tensor<2x3x8x4xf32>, %x1: tensor<2x5x8x4xf32>, %x2: tensor<2x3x8x4xf32>) {
  // expected-error @+2 {{batches or heads differ: q is float32[2, 3, 8, 4], found float32[2, 5, 8, 4]}}
  // expected-error @+1 {{failed to infer returned types}}
  %y, %lse = fin.attention %x0, %x1, %x2 {causal = true, scale = 0.5 : f64, heads_first = true} : (tensor<2x3x8x4xf32>, tensor<2x5x8x4xf32>, tensor<2x3x8x4xf32>) -> (tensor<2x3x8x4xf32>, tensor<2x3x8xf32>)
  return
}

// -----

func.func @attention_depths(%x0: tensor<2x3x8x4xf32>, %x1: tensor<2x3x8x5xf32>, %x2: tensor<2x3x8x4xf32>) {
  // expected-error @+2 {{the depths of q and k differ: float32[2, 3, 8, 4] vs float32[2, 3, 8, 5]}}
  // expected-error @+1 {{failed to infer returned types}}
  %y, %lse = fin.attention %x0, %x1, %x2 {causal = true, scale = 0.5 : f64, heads_first = true} : (tensor<2x3x8x4xf32>, tensor<2x3x8x5xf32>, tensor<2x3x8x4xf32>) -> (tensor<2x3x8x4xf32>, tensor<2x3x8xf32>)
  return
}

// -----

func.func @attention_lengths(%x0: tensor<2x3x8x4xf32>, %x1: tensor<2x3x9x4xf32>, %x2: tensor<2x3x8x4xf32>) {
  // expected-error @+2 {{the lengths of k and v differ: float32[2, 3, 9, 4] vs float32[2, 3, 8, 4]}}
  // expected-error @+1 {{failed to infer returned types}}
  %y, %lse = fin.attention %x0, %x1, %x2 {causal = true, scale = 0.5 : f64, heads_first = true} : (tensor<2x3x8x4xf32>, tensor<2x3x9x4xf32>, tensor<2x3x8x4xf32>) -> (tensor<2x3x8x4xf32>, tensor<2x3x8xf32>)
  return
}

// -----

func.func @attention_mask_shape(%x0: tensor<2x3x8x4xf32>, %x1: tensor<2x3x8x4xf32>, %x2: tensor<2x3x8x4xf32>, %x3: tensor<2x3x8x4xi1>) {
  // expected-error @+2 {{the mask is bool[2, 3, 8, 4], wanted [2, 3, 8, 8] or extents of 1}}
  // expected-error @+1 {{failed to infer returned types}}
  %y, %lse = fin.attention %x0, %x1, %x2, %x3 {causal = true, scale = 0.5 : f64, heads_first = true} : (tensor<2x3x8x4xf32>, tensor<2x3x8x4xf32>, tensor<2x3x8x4xf32>, tensor<2x3x8x4xi1>) -> (tensor<2x3x8x4xf32>, tensor<2x3x8xf32>)
  return
}

// -----

func.func @attention_mask_dtype(%x0: tensor<2x3x8x4xf32>, %x1: tensor<2x3x8x4xf32>, %x2: tensor<2x3x8x4xf32>, %x3: tensor<1x1x8x8xi64>) {
  // expected-error @+2 {{the mask is int64[1, 1, 8, 8], wanted bool or the dtype of q, float32[2, 3, 8, 4]}}
  // expected-error @+1 {{failed to infer returned types}}
  %y, %lse = fin.attention %x0, %x1, %x2, %x3 {causal = true, scale = 0.5 : f64, heads_first = true} : (tensor<2x3x8x4xf32>, tensor<2x3x8x4xf32>, tensor<2x3x8x4xf32>, tensor<1x1x8x8xi64>) -> (tensor<2x3x8x4xf32>, tensor<2x3x8xf32>)
  return
}

// -----

func.func @attention_operands(%x0: tensor<2x3x8x4xf32>, %x1: tensor<2x3x8x4xf32>) {
  // expected-error @+2 {{found 2 operands, wanted 3, or one more for a mask}}
  // expected-error @+1 {{failed to infer returned types}}
  %y, %lse = fin.attention %x0, %x1 {causal = true, scale = 0.5 : f64, heads_first = true} : (tensor<2x3x8x4xf32>, tensor<2x3x8x4xf32>) -> (tensor<2x3x8x4xf32>, tensor<2x3x8xf32>)
  return
}

// -----

func.func @attention_grad_lse(%x: tensor<2x3x8x4xbf16>, %lse: tensor<2x3x8xbf16>) {
  // expected-error @+2 {{lse is bfloat16[2, 3, 8], wanted float32[2, 3, 8]}}
  // expected-error @+1 {{failed to infer returned types}}
  %d:3 = fin.attention_grad %x, %x, %x, %x, %lse, %lse {causal = true, scale = 0.5 : f64, heads_first = true} : (tensor<2x3x8x4xbf16>, tensor<2x3x8x4xbf16>, tensor<2x3x8x4xbf16>, tensor<2x3x8x4xbf16>, tensor<2x3x8xbf16>, tensor<2x3x8xbf16>) -> (tensor<2x3x8x4xbf16>, tensor<2x3x8x4xbf16>, tensor<2x3x8x4xbf16>)
  return
}

// -----

func.func @packed_attention_rank(%x: tensor<2x8x2x3x4xf32>) {
  // expected-error @+2 {{the packed projection is float32[2, 8, 2, 3, 4], wanted [batch, length, 3, heads, depth]}}
  // expected-error @+1 {{failed to infer returned types}}
  %y, %lse = fin.packed_attention %x {causal = true, scale = 0.5 : f64} : (tensor<2x8x2x3x4xf32>) -> (tensor<2x8x3x4xf32>, tensor<2x8x3xf32>)
  return
}
