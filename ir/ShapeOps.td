// SPDX-License-Identifier: Apache-2.0
// Ops that make tensors or move elements without arithmetic. Values are dense and row-major.
#ifndef FIN_SHAPE_OPS_TD
#define FIN_SHAPE_OPS_TD
include "FinBase.td"

class Fin_ShapeOp<string mnemonic, string text, list<Trait> traits = [Pure]> : Fin_Op<mnemonic, traits> {
  let summary = text;
  let results = (outs Fin_Tensor:$result);
  let family = "shape";
}

def Fin_IotaOp : Fin_ShapeOp<"iota", "0, 1, 2, ... along `axis`, repeated along the others"> {
  let arguments = (ins Fin_ShapeAttr:$shape, I64Attr:$axis, TypeAttr:$dtype);
  let shapeRule = "iota";
  let differentiable = 0;
}
def Fin_FullOp : Fin_ShapeOp<"full", "a tensor of `shape` filled with one value"> {
  let arguments = (ins Fin_Tensor:$value, Fin_ShapeAttr:$shape);
  let shapeRule = "full";
}
def Fin_ReshapeOp : Fin_ShapeOp<"reshape", "the same elements in row-major order under another shape"> {
  let arguments = (ins Fin_Tensor:$x, Fin_ShapeAttr:$shape);
  let shapeRule = "reshape";
  let hasFolder = 1;
}
def Fin_TransposeOp : Fin_ShapeOp<"transpose", "axes reordered: result axis i is operand axis permutation[i]"> {
  let arguments = (ins Fin_Tensor:$x, DenseI64ArrayAttr:$permutation);
  let shapeRule = "transpose";
  let hasFolder = 1;
}
def Fin_BroadcastOp : Fin_ShapeOp<"broadcast", "repeated to `shape` by NumPy's rule (axes aligned at the right)"> {
  let arguments = (ins Fin_Tensor:$x, Fin_ShapeAttr:$shape);
  let shapeRule = "broadcast";
  let hasFolder = 1;
}
def Fin_SliceOp : Fin_ShapeOp<"slice", "result[i] = x[starts + i * steps]; starts are known at run time, out of range is an error"> {
  let arguments = (ins Fin_Tensor:$x, Fin_IndexVector:$starts, Fin_ShapeAttr:$sizes, DenseI64ArrayAttr:$steps);
  let shapeRule = "slice";
  let savedOperands = [1];
}
def Fin_SliceUpdateOp : Fin_ShapeOp<"slice_update", "x with x[starts + i * steps] = update[i]"> {
  let arguments = (ins Fin_Tensor:$x, Fin_Tensor:$update, Fin_IndexVector:$starts, DenseI64ArrayAttr:$steps);
  let shapeRule = "sliceUpdate";
  let savedOperands = [2];
}
def Fin_ConcatOp : Fin_ShapeOp<"concat", "operands joined along `axis`"> {
  let arguments = (ins Variadic<Fin_Tensor>:$xs, I64Attr:$axis);
  let shapeRule = "concat";
}
def Fin_PadOp : Fin_ShapeOp<"pad", "x with `low[i]` and `high[i]` copies of value around axis i"> {
  let arguments = (ins Fin_Tensor:$x, Fin_Tensor:$value, DenseI64ArrayAttr:$low, DenseI64ArrayAttr:$high);
  let shapeRule = "pad";
}
def Fin_GatherOp : Fin_ShapeOp<"gather", "slices of x along `axis` at indices (take); an index out of range is an error"> {
  let arguments = (ins Fin_Tensor:$x, Fin_IndexTensor:$indices, I64Attr:$axis);
  let shapeRule = "gather";
  let savedOperands = [1];
}
def Fin_ScatterAddOp : Fin_ShapeOp<"scatter_add", "x with updates added at indices along `axis`; repeated indices add up in order"> {
  let arguments = (ins Fin_NumberTensor:$x, Fin_IndexTensor:$indices, Fin_NumberTensor:$updates, I64Attr:$axis);
  let shapeRule = "scatterAdd";
  let savedOperands = [1];
}
#endif
