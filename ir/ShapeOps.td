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
  let example = "%r = fin.iota {shape = [2, 3], axis = 1, dtype = i64} : () -> tensor<2x3xi64>";
  let differentiable = 0;
}
def Fin_FullOp : Fin_ShapeOp<"full", "a tensor of `shape` filled with one value"> {
  let arguments = (ins Fin_Tensor:$value, Fin_ShapeAttr:$shape);
  let shapeRule = "full";
  let hasCanonicalizeMethod = 1;
  let example = "%r = fin.full %value {shape = [2, 3]} : (tensor<f32>) -> tensor<2x3xf32>";
}
def Fin_ReshapeOp : Fin_ShapeOp<"reshape", "the same elements in row-major order under another shape"> {
  let arguments = (ins Fin_Tensor:$x, Fin_ShapeAttr:$shape);
  let shapeRule = "reshape";
  let example = "%y = fin.reshape %x {shape = [3, 2]} : (tensor<2x3xf32>) -> tensor<3x2xf32>";
  let hasFolder = 1;
}
def Fin_TransposeOp : Fin_ShapeOp<"transpose", "axes reordered: result axis i is operand axis permutation[i]"> {
  let arguments = (ins Fin_Tensor:$x, DenseI64ArrayAttr:$permutation);
  let shapeRule = "transpose";
  let example = "%y = fin.transpose %x {permutation = array<i64: 1, 0>} : (tensor<2x3xf32>) -> tensor<3x2xf32>";
  let hasFolder = 1;
}
def Fin_BroadcastOp : Fin_ShapeOp<"broadcast", "repeated to `shape` by NumPy's rule (axes aligned at the right)"> {
  let arguments = (ins Fin_Tensor:$x, Fin_ShapeAttr:$shape);
  let shapeRule = "broadcast";
  let example = "%y = fin.broadcast %x {shape = [2, 3]} : (tensor<3xf32>) -> tensor<2x3xf32>";
  let hasFolder = 1;
}
def Fin_SliceOp : Fin_ShapeOp<"slice", "result[i] = x[starts + i * steps]; starts are known at run time, out of range is an error"> {
  let arguments = (ins Fin_Tensor:$x, Fin_IndexVector:$starts, Fin_ShapeAttr:$sizes, DenseI64ArrayAttr:$steps);
  let shapeRule = "slice";
  let hasFolder = 1;
  let example = "%y = fin.slice %x, %starts {sizes = [1, 2], steps = array<i64: 1, 2>} : (tensor<2x3xf32>, tensor<2xi64>) -> tensor<1x2xf32>";
  let savedOperands = [1];
}
def Fin_SliceUpdateOp : Fin_ShapeOp<"slice_update", "x with x[starts + i * steps] = update[i]"> {
  let arguments = (ins Fin_Tensor:$x, Fin_Tensor:$update, Fin_IndexVector:$starts, DenseI64ArrayAttr:$steps);
  let shapeRule = "sliceUpdate";
  let hasFolder = 1;
  let example = "%r = fin.slice_update %x, %update, %starts {steps = array<i64: 1, 2>} : (tensor<2x3xf32>, tensor<1x2xf32>, tensor<2xi64>) -> tensor<2x3xf32>";
  let savedOperands = [2];
}
def Fin_ConcatOp : Fin_ShapeOp<"concat", "operands joined along `axis`"> {
  let arguments = (ins Variadic<Fin_Tensor>:$xs, I64Attr:$axis);
  let shapeRule = "concat";
  let hasFolder = 1;
  let example = "%r = fin.concat %x, %y {axis = 0 : i64} : (tensor<2x3xf32>, tensor<1x3xf32>) -> tensor<3x3xf32>";
}
def Fin_PadOp : Fin_ShapeOp<"pad", "x with `low[i]` and `high[i]` copies of value around axis i"> {
  let arguments = (ins Fin_Tensor:$x, Fin_Tensor:$value, DenseI64ArrayAttr:$low, DenseI64ArrayAttr:$high);
  let shapeRule = "pad";
  let hasFolder = 1;
  let example = "%y = fin.pad %x, %value {low = array<i64: 0, 1>, high = array<i64: 0, 2>} : (tensor<2x3xf32>, tensor<f32>) -> tensor<2x6xf32>";
}
def Fin_GatherOp : Fin_ShapeOp<"gather", "slices of x along `axis` at indices (take); an index out of range is an error"> {
  let arguments = (ins Fin_Tensor:$x, Fin_IndexTensor:$indices, I64Attr:$axis);
  let shapeRule = "gather";
  let example = "%y = fin.gather %x, %indices {axis = 0 : i64} : (tensor<5x3xf32>, tensor<2xi64>) -> tensor<2x3xf32>";
  let savedOperands = [1];
}
def Fin_ScatterAddOp : Fin_ShapeOp<"scatter_add", "x with updates added at indices along `axis`; repeated indices add up in order"> {
  let arguments = (ins Fin_NumberTensor:$x, Fin_IndexTensor:$indices, Fin_NumberTensor:$updates, I64Attr:$axis);
  let shapeRule = "scatterAdd";
  let example = "%r = fin.scatter_add %x, %indices, %updates {axis = 0 : i64} : (tensor<5x3xf32>, tensor<2xi64>, tensor<2x3xf32>) -> tensor<5x3xf32>";
  let savedOperands = [1];
}
#endif
