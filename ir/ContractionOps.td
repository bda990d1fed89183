// SPDX-License-Identifier: Apache-2.0
// Matrix products, convolutions and pooling. Image batches are [N,C,H,W], or [N,H,W,C] with `channels_last`; convolution
// weights are [O,C,KH,KW] in both.
#ifndef FIN_CONTRACTION_OPS_TD
#define FIN_CONTRACTION_OPS_TD
include "FinBase.td"

class Fin_ContractionOp<string mnemonic, string text> : Fin_Op<mnemonic, [Pure]> {
  let summary = text;
  let results = (outs Fin_FloatTensor:$result);
  let family = "contraction";
}
def Fin_MatmulOp : Fin_ContractionOp<"matmul", "lhs @ rhs over the last two axes; leading axes broadcast"> {
  let description = "`transpose_lhs` and `transpose_rhs` read that operand with its last two axes swapped. Both operands have rank 2 or more.";
  let arguments = (ins Fin_FloatTensor:$lhs, Fin_FloatTensor:$rhs, BoolAttr:$transpose_lhs, BoolAttr:$transpose_rhs);
  let autocast = "lower";
  let shapeRule = "matmul";
  let example = "%r = fin.matmul %x, %w {transpose_lhs = false, transpose_rhs = true} : (tensor<8x4xf32>, tensor<5x4xf32>) -> tensor<8x5xf32>";
  let savedOperands = [0, 1];
}
def Fin_Conv2dOp : Fin_ContractionOp<"conv2d", "cross-correlation of x [N,C,H,W] with weight [O,C,KH,KW]"> {
  let arguments = (ins Fin_FloatTensor:$x, Fin_FloatTensor:$weight, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$padding, Fin_LayoutAttr:$channels_last);
  let autocast = "lower";
  let shapeRule = "conv2d";
  let example = "%y = fin.conv2d %x, %weight {strides = array<i64: 1, 1>, padding = array<i64: 1, 1>} : (tensor<2x3x8x8xf32>, tensor<4x3x3x3xf32>) -> tensor<2x4x8x8xf32>";
  let savedOperands = [0, 1];
}
def Fin_Conv2dInputGradOp : Fin_ContractionOp<"conv2d_input_grad", "gradient of conv2d with respect to x; `input_size` is (H, W)"> {
  let arguments = (ins Fin_FloatTensor:$dy, Fin_FloatTensor:$weight, DenseI64ArrayAttr:$input_size, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$padding, Fin_LayoutAttr:$channels_last);
  let shapeRule = "conv2dInputGrad";
  let example = "%dx = fin.conv2d_input_grad %dy, %weight {input_size = array<i64: 8, 8>, strides = array<i64: 1, 1>, padding = array<i64: 1, 1>} : (tensor<2x4x8x8xf32>, tensor<4x3x3x3xf32>) -> tensor<2x3x8x8xf32>";
  let savedOperands = [0, 1];
}
def Fin_Conv2dWeightGradOp : Fin_ContractionOp<"conv2d_weight_grad", "gradient of conv2d with respect to weight; `kernel_size` is (KH, KW)"> {
  let arguments = (ins Fin_FloatTensor:$x, Fin_FloatTensor:$dy, DenseI64ArrayAttr:$kernel_size, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$padding, Fin_LayoutAttr:$channels_last);
  let shapeRule = "conv2dWeightGrad";
  let example = "%dw = fin.conv2d_weight_grad %x, %dy {kernel_size = array<i64: 3, 3>, strides = array<i64: 1, 1>, padding = array<i64: 1, 1>} : (tensor<2x3x8x8xf32>, tensor<2x4x8x8xf32>) -> tensor<4x3x3x3xf32>";
  let savedOperands = [0, 1];
}
class Fin_PoolOp<string mnemonic, string text> : Fin_ContractionOp<mnemonic, text> {
  let arguments = (ins Fin_FloatTensor:$x, DenseI64ArrayAttr:$kernel_size, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$padding, Fin_LayoutAttr:$channels_last);
  let shapeRule = "pool2d";
  let example = "%y = fin." # mnemonic # " %x {kernel_size = array<i64: 2, 2>, strides = array<i64: 2, 2>, padding = array<i64: 0, 0>} : (tensor<2x3x8x8xf32>) -> tensor<2x3x4x4xf32>";
  let family = "pooling";
}
def Fin_MaxPool2dOp : Fin_PoolOp<"max_pool2d", "largest element of each window of x [N,C,H,W]; padding never wins"> { let savedOperands = [0]; }
def Fin_AvgPool2dOp : Fin_PoolOp<"avg_pool2d", "mean of each window of x [N,C,H,W]; padding counts as 0">;
def Fin_MaxPool2dGradOp : Fin_ContractionOp<"max_pool2d_grad", "gradient of max_pool2d: dy goes to the first largest element of each window of x"> {
  let arguments = (ins Fin_FloatTensor:$x, Fin_FloatTensor:$dy, DenseI64ArrayAttr:$kernel_size, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$padding, Fin_LayoutAttr:$channels_last);
  let shapeRule = "maxPool2dGrad";
  let example = "%dx = fin.max_pool2d_grad %x, %dy {kernel_size = array<i64: 2, 2>, strides = array<i64: 2, 2>, padding = array<i64: 0, 0>} : (tensor<2x3x8x8xf32>, tensor<2x3x4x4xf32>) -> tensor<2x3x8x8xf32>";
  let savedOperands = [0];
  let family = "pooling";
}
def Fin_AvgPool2dGradOp : Fin_ContractionOp<"avg_pool2d_grad", "gradient of avg_pool2d; `input_size` is (H, W)"> {
  let arguments = (ins Fin_FloatTensor:$dy, DenseI64ArrayAttr:$input_size, DenseI64ArrayAttr:$kernel_size, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$padding, Fin_LayoutAttr:$channels_last);
  let shapeRule = "avgPool2dGrad";
  let example = "%dx = fin.avg_pool2d_grad %dy {input_size = array<i64: 8, 8>, kernel_size = array<i64: 2, 2>, strides = array<i64: 2, 2>, padding = array<i64: 0, 0>} : (tensor<2x3x4x4xf32>) -> tensor<2x3x8x8xf32>";
  let family = "pooling";
}
#endif
