// SPDX-License-Identifier: Apache-2.0
// Ops defined by simpler ones (ir/decompositions/), kept whole so that kernels and derivatives can be exact and fast.
#ifndef FIN_COMPOSITE_OPS_TD
#define FIN_COMPOSITE_OPS_TD
include "FinBase.td"

class Fin_CompositeOp<string mnemonic, string text> : Fin_Op<mnemonic, [Pure, Fin_Composite]> {
  let summary = text;
  let family = "composite";
}
class Fin_AxisOp<string mnemonic, string text> : Fin_CompositeOp<mnemonic, text> {
  let arguments = (ins Fin_FloatTensor:$x, I64Attr:$axis);
  let results = (outs Fin_FloatTensor:$result);
  let shapeRule = "sameAsOperandWithAxis";
  let example = "%y = fin." # mnemonic # " %x {axis = 1 : i64} : (tensor<2x3xf32>) -> tensor<2x3xf32>";
  let savedResults = [0];
}
def Fin_SoftmaxOp : Fin_AxisOp<"softmax", "exp(x - max) / sum(exp(x - max)) along `axis`">;
def Fin_LogSoftmaxOp : Fin_AxisOp<"log_softmax", "x - max - log(sum(exp(x - max))) along `axis`">;
def Fin_GeluOp : Fin_CompositeOp<"gelu", "x * Phi(x); with `tanh` the approximation 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))"> {
  let arguments = (ins Fin_FloatTensor:$x, BoolAttr:$tanh);
  let results = (outs Fin_FloatTensor:$result);
  let shapeRule = "sameAsOperand";
  let example = "%y = fin.gelu %x {tanh = false} : (tensor<2x3xf32>) -> tensor<2x3xf32>";
  let savedOperands = [0];
}
def Fin_LayerNormOp : Fin_CompositeOp<"layer_norm", "(x - mean) * rstd * weight + bias over the axes from `axis` on; also returns mean and rstd = 1/sqrt(var + eps), in f32 where x is bf16 or f16"> {
  let arguments = (ins Fin_FloatTensor:$x, Fin_FloatTensor:$weight, Fin_FloatTensor:$bias, I64Attr:$axis, F64Attr:$eps);
  let results = (outs Fin_FloatTensor:$result, Fin_FloatTensor:$mean, Fin_FloatTensor:$rstd);
  let shapeRule = "layerNorm";
  let example = "%y, %mean, %rstd = fin.layer_norm %x, %weight, %bias {axis = 1 : i64, eps = 1.0e-05 : f64} : (tensor<2x3xf32>, tensor<3xf32>, tensor<3xf32>) -> (tensor<2x3xf32>, tensor<2x1xf32>, tensor<2x1xf32>)";
  let savedOperands = [0, 1];
  let savedResults = [1, 2];
}
def Fin_BatchNormOp : Fin_CompositeOp<"batch_norm", "(x - mean) / sqrt(var + eps) * weight + bias per channel (axis 1) with the batch's mean and biased variance, which are returned (in f32 where x is bf16 or f16)"> {
  let arguments = (ins Fin_FloatTensor:$x, Fin_FloatTensor:$weight, Fin_FloatTensor:$bias, F64Attr:$eps);
  let results = (outs Fin_FloatTensor:$result, Fin_FloatTensor:$mean, Fin_FloatTensor:$var);
  let shapeRule = "batchNorm";
  let example = "%y, %mean, %var = fin.batch_norm %x, %weight, %bias {eps = 1.0e-05 : f64} : (tensor<8x3x4x4xf32>, tensor<3xf32>, tensor<3xf32>) -> (tensor<8x3x4x4xf32>, tensor<3xf32>, tensor<3xf32>)";
  let savedOperands = [0, 1];
  let savedResults = [1, 2];
}
def Fin_BatchNormInferenceOp : Fin_CompositeOp<"batch_norm_inference", "(x - mean) / sqrt(var + eps) * weight + bias per channel (axis 1) with the given statistics"> {
  let arguments = (ins Fin_FloatTensor:$x, Fin_FloatTensor:$weight, Fin_FloatTensor:$bias, Fin_FloatTensor:$mean, Fin_FloatTensor:$var, F64Attr:$eps);
  let results = (outs Fin_FloatTensor:$result);
  let shapeRule = "batchNormInference";
  let example = "%y = fin.batch_norm_inference %x, %weight, %bias, %mean, %var {eps = 1.0e-05 : f64} : (tensor<8x3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<8x3xf32>";
  let savedOperands = [0, 1, 3, 4];
}
// Losses: `reduction` is 0 none, 1 mean, 2 sum.
def Fin_CrossEntropyOp : Fin_CompositeOp<"cross_entropy", "-log_softmax(logits)[label] of logits [N, C] and labels [N] in [0, C); a label out of range is an error"> {
  let arguments = (ins Fin_FloatTensor:$logits, Fin_IndexTensor:$labels, I64Attr:$reduction);
  let results = (outs Fin_FloatTensor:$result);
  let autocast = "wide";
  let shapeRule = "crossEntropy";
  let example = "%loss = fin.cross_entropy %logits, %labels {reduction = 1 : i64} : (tensor<8x10xf32>, tensor<8xi64>) -> tensor<f32>";
  let savedOperands = [0, 1];
}
class Fin_PairLossOp<string mnemonic, string text> : Fin_CompositeOp<mnemonic, text> {
  let arguments = (ins Fin_FloatTensor:$x, Fin_FloatTensor:$target, I64Attr:$reduction);
  let results = (outs Fin_FloatTensor:$result);
  let autocast = "wide";
  let shapeRule = "pairLoss";
  let example = "%loss = fin." # mnemonic # " %x, %target {reduction = 1 : i64} : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<f32>";
  let savedOperands = [0, 1];
}
def Fin_MseLossOp : Fin_PairLossOp<"mse_loss", "(x - target)^2">;
def Fin_BceWithLogitsOp : Fin_PairLossOp<"bce_with_logits", "max(x, 0) - x * target + log(1 + exp(-|x|))">;
def Fin_EmbeddingOp : Fin_CompositeOp<"embedding", "rows of weight [V, D] at indices: shape indices.shape + [D]"> {
  let arguments = (ins Fin_FloatTensor:$weight, Fin_IndexTensor:$indices);
  let results = (outs Fin_FloatTensor:$result);
  let shapeRule = "embedding";
  let example = "%y = fin.embedding %weight, %indices : (tensor<100x16xf32>, tensor<2x5xi64>) -> tensor<2x5x16xf32>";
  let savedOperands = [1];
}
#endif
