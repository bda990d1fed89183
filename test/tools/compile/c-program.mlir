// SPDX-License-Identifier: Apache-2.0
// A C program with each kind of output file; a training step whose state is read and written in place.
// RUN: mkdir -p %t
// RUN: tinyfin-compile %s -o %t/libstep.a --header %t/step.h
// RUN: cc -std=c11 -Wall -Werror -I%t %S/Inputs/step.c %t/libstep.a -lm -lpthread -o %t/static && %t/static | FileCheck %s
// RUN: tinyfin-compile %s -o %t/step.o --target-cpu=host
// RUN: cc -std=c11 -I%t %S/Inputs/step.c %t/step.o -lm -lpthread -o %t/object && %t/object | FileCheck %s
// RUN: tinyfin-compile %s -o %t/libstep.so
// RUN: cc -std=c11 -I%t %S/Inputs/step.c -L%t -lstep -Wl,-rpath,%t -o %t/shared && %t/shared | FileCheck %s
// RUN: FileCheck --check-prefix=HEADER %s < %t/step.h
// CHECK:      step 1: loss 1.0000 w 0.4500 0.6000
// CHECK-NEXT: step 2: loss 0.4225 w -0.011{{[23]}} 0.0750
// CHECK-NEXT: status 1: args->size is 8, wanted sizeof(step_args), 48
// CHECK-NEXT: status 1: N is 0, wanted at least 1
// CHECK-NEXT: status 1: w is null
// HEADER:      const float *x; /* in: float32[N, 2] */
// HEADER-NEXT: const float *w; /* in: float32[2, 1] */
// HEADER-NEXT: float *new_w; /* out: float32[2, 1]; may be the same memory as w */
// HEADER-NEXT: float *loss; /* out: float32[N, 1] */
!x = tensor<?x2xf32, #fin.tensor<["N", ""]>>
!rows = tensor<?x1xf32, #fin.tensor<["N", ""]>>
func.func @main(%x: !x {fin.name = "x"}, %w: tensor<2x1xf32> {fin.name = "w"}) -> (tensor<2x1xf32> {fin.name = "new_w"}, !rows {fin.name = "loss"}) {
  %predicted = fin.matmul %x, %w {transpose_lhs = false, transpose_rhs = false} : (!x, tensor<2x1xf32>) -> !rows
  %wanted = fin.constant dense<1.0> : tensor<f32>
  %error = fin.sub %predicted, %wanted : (!rows, tensor<f32>) -> !rows
  %loss = fin.square %error : (!rows) -> !rows
  %gradient = fin.matmul %x, %error {transpose_lhs = true, transpose_rhs = false} : (!x, !rows) -> tensor<2x1xf32>
  %rate = fin.constant dense<-0.1> : tensor<f32>
  %change = fin.mul %gradient, %rate : (tensor<2x1xf32>, tensor<f32>) -> tensor<2x1xf32>
  %new = fin.add %w, %change : (tensor<2x1xf32>, tensor<2x1xf32>) -> tensor<2x1xf32>
  return %new, %loss : tensor<2x1xf32>, !rows
}
