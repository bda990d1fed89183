// RUN: %verify

func.func @inner(%x: tensor<2x4xf32>, %y: tensor<5x3xf32>) {
  // expected-error @+2 {{inner dimensions differ: 4 vs 5 (float32[2, 4] @ float32[5, 3])}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.matmul %x, %y {transpose_lhs = false, transpose_rhs = false} : (tensor<2x4xf32>, tensor<5x3xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @inner_transposed(%x: tensor<4x2xf32>, %y: tensor<5x3xf32>) {
  // expected-error @+2 {{inner dimensions differ: 4 vs 3 (float32[4, 2].T @ float32[5, 3].T)}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.matmul %x, %y {transpose_lhs = true, transpose_rhs = true} : (tensor<4x2xf32>, tensor<5x3xf32>) -> tensor<2x5xf32>
  return
}

// -----

func.func @leading(%x: tensor<2x1x4xf32>, %y: tensor<3x4x1xf32>) {
  // expected-error @+2 {{leading dimensions do not broadcast (float32[2, 1, 4] @ float32[3, 4, 1])}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.matmul %x, %y {transpose_lhs = false, transpose_rhs = false} : (tensor<2x1x4xf32>, tensor<3x4x1xf32>) -> tensor<2x1x1xf32>
  return
}

// -----

func.func @vector(%x: tensor<4xf32>, %y: tensor<4x1xf32>) {
  // expected-error @+2 {{operands have ranks 1 and 2, wanted 2 or more}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.matmul %x, %y {transpose_lhs = false, transpose_rhs = false} : (tensor<4xf32>, tensor<4x1xf32>) -> tensor<1xf32>
  return
}

// -----

func.func @matmul_dtypes(%x: tensor<2x4xf32>, %y: tensor<4x3xbf16>) {
  // expected-error @+2 {{operand dtypes differ: float32 vs bfloat16}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.matmul %x, %y {transpose_lhs = false, transpose_rhs = false} : (tensor<2x4xf32>, tensor<4x3xbf16>) -> tensor<2x3xf32>
  return
}

// -----

func.func @conv_channels(%x: tensor<2x3x8x8xf32>, %w: tensor<4x5x3x3xf32>) {
  // expected-error @+2 {{input channels differ: 3 vs 5 (x float32[2, 3, 8, 8], weight float32[4, 5, 3, 3])}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.conv2d %x, %w {strides = array<i64: 1, 1>, padding = array<i64: 0, 0>} : (tensor<2x3x8x8xf32>, tensor<4x5x3x3xf32>) -> tensor<2x4x6x6xf32>
  return
}

// -----

func.func @conv_rank(%x: tensor<3x8x8xf32>, %w: tensor<4x3x3x3xf32>) {
  // expected-error @+2 {{x is float32[3, 8, 8], wanted rank 4}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.conv2d %x, %w {strides = array<i64: 1, 1>, padding = array<i64: 0, 0>} : (tensor<3x8x8xf32>, tensor<4x3x3x3xf32>) -> tensor<4x6x6xf32>
  return
}

// -----

func.func @conv_kernel_too_large(%x: tensor<2x3x2x8xf32>, %w: tensor<4x3x3x3xf32>) {
  // expected-error @+2 {{kernel [3, 3] does not fit [2, 8] with padding [0, 0]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.conv2d %x, %w {strides = array<i64: 1, 1>, padding = array<i64: 0, 0>} : (tensor<2x3x2x8xf32>, tensor<4x3x3x3xf32>) -> tensor<2x4x6x6xf32>
  return
}

// -----

func.func @conv_stride_0(%x: tensor<2x3x8x8xf32>, %w: tensor<4x3x3x3xf32>) {
  // expected-error @+2 {{strides has the entry 0, wanted at least 1}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.conv2d %x, %w {strides = array<i64: 0, 1>, padding = array<i64: 0, 0>} : (tensor<2x3x8x8xf32>, tensor<4x3x3x3xf32>) -> tensor<2x4x6x6xf32>
  return
}

// -----

func.func @conv_padding_huge(%x: tensor<2x3x8x8xf32>, %w: tensor<4x3x3x3xf32>) {
  // expected-error @+2 {{window entry 9223372036854775807 is more than the limit of 2**31}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.conv2d %x, %w {strides = array<i64: 1, 1>, padding = array<i64: 0, 9223372036854775807>} : (tensor<2x3x8x8xf32>, tensor<4x3x3x3xf32>) -> tensor<2x4x6x6xf32>
  return
}

// -----

func.func @conv_symbolic_height(%x: tensor<?x3x?x8xf32, #fin.tensor<["N", "", "H", ""]>>, %w: tensor<4x3x3x3xf32>) {
  // expected-error @+2 {{x is float32[N, 3, H, 8], wanted constant heights and widths}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.conv2d %x, %w {strides = array<i64: 1, 1>, padding = array<i64: 0, 0>} : (tensor<?x3x?x8xf32, #fin.tensor<["N", "", "H", ""]>>, tensor<4x3x3x3xf32>) -> tensor<2x4x6x6xf32>
  return
}

// -----

func.func @input_grad_size(%d: tensor<2x4x6x6xf32>, %w: tensor<4x3x3x3xf32>) {
  // expected-error @+2 {{dy is float32[2, 4, 6, 6], wanted height and width [7, 6]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.conv2d_input_grad %d, %w {input_size = array<i64: 9, 8>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0>} : (tensor<2x4x6x6xf32>, tensor<4x3x3x3xf32>) -> tensor<2x3x9x8xf32>
  return
}

// -----

func.func @input_grad_channels(%d: tensor<2x5x6x6xf32>, %w: tensor<4x3x3x3xf32>) {
  // expected-error @+2 {{output channels differ: 5 vs 4}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.conv2d_input_grad %d, %w {input_size = array<i64: 8, 8>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0>} : (tensor<2x5x6x6xf32>, tensor<4x3x3x3xf32>) -> tensor<2x3x8x8xf32>
  return
}

// -----

func.func @weight_grad_batch(%x: tensor<2x3x8x8xf32>, %d: tensor<1x4x6x6xf32>) {
  // expected-error @+2 {{batch sizes differ: 2 vs 1}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.conv2d_weight_grad %x, %d {kernel_size = array<i64: 3, 3>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0>} : (tensor<2x3x8x8xf32>, tensor<1x4x6x6xf32>) -> tensor<4x3x3x3xf32>
  return
}

// -----

func.func @pool_padding(%x: tensor<2x3x8x8xf32>) {
  // expected-error @+2 {{padding 2 is more than half of kernel size 3}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.max_pool2d %x {kernel_size = array<i64: 3, 3>, strides = array<i64: 1, 1>, padding = array<i64: 2, 0>} : (tensor<2x3x8x8xf32>) -> tensor<2x3x8x8xf32>
  return
}

// -----

func.func @pool_kernel_entries(%x: tensor<2x3x8x8xf32>) {
  // expected-error @+2 {{kernel_size has 1 entries, wanted 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.avg_pool2d %x {kernel_size = array<i64: 3>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0>} : (tensor<2x3x8x8xf32>) -> tensor<2x3x8x8xf32>
  return
}

// -----

func.func @max_pool_grad_size(%x: tensor<2x3x8x8xf32>, %d: tensor<2x3x4x4xf32>) {
  // expected-error @+2 {{dy is float32[2, 3, 4, 4], wanted height and width [6, 6]}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.max_pool2d_grad %x, %d {kernel_size = array<i64: 3, 3>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0>} : (tensor<2x3x8x8xf32>, tensor<2x3x4x4xf32>) -> tensor<2x3x8x8xf32>
  return
}

// -----

func.func @avg_pool_grad_size(%d: tensor<2x3x4x4xf32>) {
  // expected-error @+2 {{input_size has 1 entries, wanted 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %r = fin.avg_pool2d_grad %d {input_size = array<i64: 8>, kernel_size = array<i64: 3, 3>, strides = array<i64: 1, 1>, padding = array<i64: 0, 0>} : (tensor<2x3x4x4xf32>) -> tensor<2x3x8x8xf32>
  return
}
