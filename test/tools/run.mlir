// RUN: tinyfin-run %s --dim N=2 --input=1 --input=4x3xf32=0.5 | FileCheck %s
// RUN: tinyfin-run %s --dim N=2 --input=2x4xf32=random:7 --output=1=@%t.npy
// RUN: tinyfin-run %s --dim N=2 --input=random:7 --output=0=@%t.x.npy --output=1=@%t.again.npy
// RUN: cmp %t.npy %t.again.npy
// RUN: tinyfin-run %s --verify | FileCheck %s --check-prefix=VERIFY
// RUN: tinyfin-run %s --verify --dim N=5 --backend=null | FileCheck %s --check-prefix=ONE
// RUN: tinyfin-run %s --dim N=2 --repeat=3 --backend=null | FileCheck %s --check-prefix=REPEAT

// CHECK:      output 0: 2x3xf32 = [2, 2, 2, 2, 2, 2]
// CHECK-NEXT: output 1: 2x4xf32 = [0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25]
// CHECK-NEXT: output 2: i64 = [9]

// VERIFY:      N=1:
// VERIFY:      null: max error 0, ok
// VERIFY:      N=3:
// VERIFY:      null: max error 0, ok
// VERIFY:      N=8:
// VERIFY:      null: max error 0, ok

// ONE:      N=5:
// ONE-NEXT: null: max error 0, ok
// ONE-NOT:  {{.}}

// REPEAT: 3 runs: fastest {{.*}} ms, median {{.*}} ms (compiled in {{.*}} ms)
// REPEAT: output 0: 2x3xf32
func.func @main(%x: tensor<?x4xf32, #fin.tensor<["N", ""]>>, %w: tensor<4x3xf32>)
    -> (tensor<?x3xf32, #fin.tensor<["N", ""]>>, tensor<?x4xf32, #fin.tensor<["N", ""]>>, tensor<i64>) {
  %y = fin.matmul %x, %w {transpose_lhs = false, transpose_rhs = false} : (tensor<?x4xf32, #fin.tensor<["N", ""]>>, tensor<4x3xf32>) -> tensor<?x3xf32, #fin.tensor<["N", ""]>>
  %p = fin.softmax %x {axis = 1 : i64} : (tensor<?x4xf32, #fin.tensor<["N", ""]>>) -> tensor<?x4xf32, #fin.tensor<["N", ""]>>
  %c = fin.constant dense<9> : tensor<i64>
  return %y, %p, %c : tensor<?x3xf32, #fin.tensor<["N", ""]>>, tensor<?x4xf32, #fin.tensor<["N", ""]>>, tensor<i64>
}
