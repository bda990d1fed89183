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
// CHECK:      step 1: loss 5.0000 w 0.3000 0.4000
// CHECK-NEXT: step 2: loss 3.0500 w 0.5400 0.7200
// CHECK-NEXT: status 1: args->size is 8, wanted sizeof(step_args), 48
// CHECK-NEXT: status 1: N is 0, wanted at least 1
// CHECK-NEXT: status 1: w is null
// HEADER:      const float *x; /* in: float32[N, 2] */
// HEADER-NEXT: const float *w; /* in: float32[2] */
// HEADER-NEXT: float *new_w; /* out: float32[2]; may be the same memory as w */
// HEADER-NEXT: float *loss; /* out: float32[N] */
!x = tensor<?x2xf32, #fin.tensor<["N", ""]>>
!rows = tensor<?xf32, #fin.tensor<["N"]>>
func.func @main(%x: !x {fin.name = "x"}, %w: tensor<2xf32> {fin.name = "w"}) -> (tensor<2xf32> {fin.name = "new_w"}, !rows {fin.name = "loss"}) {
  %0 = fin.sub %x, %w : (!x, tensor<2xf32>) -> !x
  %1 = fin.square %0 : (!x) -> !x
  %loss = fin.sum %1 {axes = array<i64: 1>, keepdims = false} : (!x) -> !rows
  %2 = fin.mean %0 {axes = array<i64: 0>, keepdims = false} : (!x) -> tensor<2xf32>
  %rate = fin.constant dense<0.2> : tensor<f32>
  %3 = fin.mul %2, %rate : (tensor<2xf32>, tensor<f32>) -> tensor<2xf32>
  %4 = fin.add %w, %3 : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  return %4, %loss : tensor<2xf32>, !rows
}
