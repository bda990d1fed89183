// The same bits on one thread and on four.
// RUN: env TINYFIN_NUM_THREADS=1 tinyfin-run %s --output=0=@%t.one.npy --output=1=@%t.sum1.npy
// RUN: env TINYFIN_NUM_THREADS=4 tinyfin-run %s --output=0=@%t.four.npy --output=1=@%t.sum4.npy
// RUN: cmp %t.one.npy %t.four.npy
// RUN: cmp %t.sum1.npy %t.sum4.npy
// RUN: env TINYFIN_NUM_THREADS=1 tinyfin-run %s --backend=cpu --output=0=@%t.cpu1.npy --output=1=@%t.csum1.npy
// RUN: env TINYFIN_NUM_THREADS=4 tinyfin-run %s --backend=cpu --output=0=@%t.cpu4.npy --output=1=@%t.csum4.npy
// RUN: cmp %t.cpu1.npy %t.cpu4.npy
// RUN: cmp %t.csum1.npy %t.csum4.npy
func.func @main(%x: tensor<517x300xf32>, %w: tensor<300x129xf32>) -> (tensor<517x129xf32>, tensor<f32>) {
  %y = fin.matmul %x, %w {transpose_lhs = false, transpose_rhs = false} : (tensor<517x300xf32>, tensor<300x129xf32>) -> tensor<517x129xf32>
  %t = fin.tanh %y : (tensor<517x129xf32>) -> tensor<517x129xf32>
  %s = fin.sum %t {axes = array<i64: 0, 1>, keepdims = false} : (tensor<517x129xf32>) -> tensor<f32>
  return %t, %s : tensor<517x129xf32>, tensor<f32>
}
