// SPDX-License-Identifier: Apache-2.0
// Every dtype comes in and goes out; float16 wants x86-64-v3 or better, which --target-cpu=host may have.
// RUN: %python %S/Inputs/check.py %s %t N=1,3,64 | FileCheck %s
// RUN: FileCheck --check-prefix=HEADER %s < %t/check.h
// CHECK: N=64: 8 outputs agree
// HEADER:      const double *in0; /* in: float64[N] */
// HEADER-NEXT: const uint16_t *in1; /* in: bfloat16[N], as bits */
// HEADER-NEXT: const int64_t *in2; /* in: int64[N] */
// HEADER-NEXT: const int32_t *in3; /* in: int32[N] */
// HEADER-NEXT: const int8_t *in4; /* in: int8[N] */
// HEADER-NEXT: const uint8_t *in5; /* in: uint8[N] */
// HEADER-NEXT: const uint8_t *mask; /* in: bool[N], 0 or 1 */
// HEADER-NEXT: const float *float_; /* in: float32[N] */
// HEADER-NEXT: double *out0; /* out: float64[N]
// HEADER:      uint8_t *new_mask; /* out: bool[N], 0 or 1
!f64 = tensor<?xf64, #fin.tensor<["N"]>>
!f32 = tensor<?xf32, #fin.tensor<["N"]>>
!bf16 = tensor<?xbf16, #fin.tensor<["N"]>>
!i64 = tensor<?xi64, #fin.tensor<["N"]>>
!i32 = tensor<?xi32, #fin.tensor<["N"]>>
!i8 = tensor<?xi8, #fin.tensor<["N"]>>
!ui8 = tensor<?xui8, #fin.tensor<["N"]>>
!i1 = tensor<?xi1, #fin.tensor<["N"]>>
func.func @main(%a: !f64, %b: !bf16, %c: !i64, %d: !i32, %e: !i8, %f: !ui8, %g: !i1 {fin.name = "mask"}, %h: !f32 {fin.name = "float"})
    -> (!f64, !bf16, !i64, !i32, !i8, !ui8, !i1 {fin.name = "mask"}, !f32) {
  %0 = fin.exp %a : (!f64) -> !f64
  %1 = fin.mul %b, %b : (!bf16, !bf16) -> !bf16
  %2 = fin.sub %c, %c : (!i64, !i64) -> !i64
  %3 = fin.add %d, %d : (!i32, !i32) -> !i32
  %4 = fin.neg %e : (!i8) -> !i8
  %5 = fin.maximum %f, %f : (!ui8, !ui8) -> !ui8
  %6 = fin.logical_not %g : (!i1) -> !i1
  %7 = fin.tanh %h : (!f32) -> !f32
  return %0, %1, %2, %3, %4, %5, %6, %7 : !f64, !bf16, !i64, !i32, !i8, !ui8, !i1, !f32
}
