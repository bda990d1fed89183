// SPDX-License-Identifier: Apache-2.0
// Reductions over axes. Sums of bf16 and f16 accumulate in f32; the order depends on shapes alone.
#ifndef FIN_REDUCTION_OPS_TD
#define FIN_REDUCTION_OPS_TD
include "FinBase.td"

class Fin_ReductionOp<string mnemonic, string text, Type type = Fin_NumberTensor> : Fin_Op<mnemonic, [Pure]> {
  let summary = text;
  let description = "`axes` are distinct and not negative; `keepdims` leaves them in with extent 1.";
  let arguments = (ins type:$x, DenseI64ArrayAttr:$axes, BoolAttr:$keepdims);
  let results = (outs type:$result);
  let shapeRule = "reduce";
  let hasFolder = 1;
  let example = "%y = fin." # mnemonic # " %x {axes = array<i64: 1>, keepdims = true} : (tensor<2x3xf32>) -> tensor<2x1xf32>";
  let family = "reduction";
}
def Fin_SumOp : Fin_ReductionOp<"sum", "sum over axes; of nothing it is 0">;
def Fin_MeanOp : Fin_ReductionOp<"mean", "arithmetic mean over axes", Fin_FloatTensor>;
def Fin_ReduceMaxOp : Fin_ReductionOp<"reduce_max", "largest element over axes; NaN if there is one"> { let savedOperands = [0]; let savedResults = [0]; }
def Fin_ReduceMinOp : Fin_ReductionOp<"reduce_min", "smallest element over axes; NaN if there is one"> { let savedOperands = [0]; let savedResults = [0]; }
def Fin_ArgmaxOp : Fin_Op<"argmax", [Pure]> {
  let summary = "index of the first largest element along `axis`";
  let arguments = (ins Fin_NumberTensor:$x, I64Attr:$axis, BoolAttr:$keepdims);
  let results = (outs Fin_IndexTensor:$result);
  let shapeRule = "argmax";
  let example = "%i = fin.argmax %x {axis = 1 : i64, keepdims = false} : (tensor<2x3xf32>) -> tensor<2xi64>";
  let differentiable = 0;
  let family = "reduction";
}
#endif
