// SPDX-License-Identifier: Apache-2.0
// Attention of several heads, whole: kernels that never write the scores [B, H, Sq, Sk].
#ifndef FIN_ATTENTION_OPS_TD
#define FIN_ATTENTION_OPS_TD
include "FinBase.td"

class Fin_AttentionOpBase<string mnemonic, string text> : Fin_Op<mnemonic, [Pure, Fin_Composite]> {
  let summary = text;
  let family = "attention";
  let autocast = "lower";
}
def Fin_AttentionOp : Fin_AttentionOpBase<"attention", "softmax(q @ k.T * scale + mask) @ v of each batch and head, and the log of each row's sum of exponentials"> {
  let description = "Operands are q, k, v and maybe a mask. With `heads_first` q, k and v are [B, H, S, D], else [B, S, H, D]; results are the output, laid out like q, and "
                    "lse, which lacks its last axis and is f32 where q is a half type. The mask is [B, H, Sq, Sk], each extent of which may be 1: bool (true takes part) or "
                    "numbers that are added. `causal`: query i sees the keys up to i. A row without keys gives zeros, and infinity as its lse.";
  let arguments = (ins Variadic<Fin_Tensor>:$xs, BoolAttr:$causal, F64Attr:$scale, BoolAttr:$heads_first);
  let results = (outs Fin_FloatTensor:$result, Fin_FloatTensor:$lse);
  let autocast = "lower";
  let shapeRule = "attention";
  let example = "%y, %lse = fin.attention %q, %k, %v {causal = true, scale = 0.5 : f64, heads_first = false} : (tensor<2x3x1x4xf32>, tensor<2x3x1x4xf32>, tensor<2x3x1x4xf32>) -> (tensor<2x3x1x4xf32>, tensor<2x3x1xf32>)";
  let savedOperands = [0, 1, 2, 3];
  let savedResults = [0, 1];
}
def Fin_AttentionGradOp : Fin_AttentionOpBase<"attention_grad", "gradients of attention with respect to q, k and v, from the output's gradient dy, lse and delta"> {
  let description = "Operands are dy, q, k, v, lse, delta = sum(dy * output) over the last axis minus the gradient of lse, and maybe the mask. With p = exp(q @ k.T * scale + mask - lse) and "
                    "ds = p * (dy @ v.T - delta): dq = ds @ k * scale, dk = ds.T @ q * scale, dv = p.T @ dy.";
  let arguments = (ins Variadic<Fin_Tensor>:$xs, BoolAttr:$causal, F64Attr:$scale, BoolAttr:$heads_first);
  let results = (outs Fin_FloatTensor:$dq, Fin_FloatTensor:$dk, Fin_FloatTensor:$dv);
  let shapeRule = "attentionGrad";
  let example = "%dq, %dk, %dv = fin.attention_grad %dy, %q, %k, %v, %lse, %delta {causal = true, scale = 0.5 : f64, heads_first = false} : (tensor<2x3x1x4xf32>, tensor<2x3x1x4xf32>, tensor<2x3x1x4xf32>, tensor<2x3x1x4xf32>, tensor<2x3x1xf32>, tensor<2x3x1xf32>) -> (tensor<2x3x1x4xf32>, tensor<2x3x1x4xf32>, tensor<2x3x1x4xf32>)";
  let savedOperands = [0, 1, 2, 3, 4, 5, 6];
}
// Self-attention whose q, k and v are columns of one projection: read where they lie, and one gradient is written.
def Fin_PackedAttentionOp : Fin_AttentionOpBase<"packed_attention", "attention of q, k and v packed as [B, S, 3, H, D]; the output is [B, S, H, D], lse [B, S, H]"> {
  let description = "Operands are the packed projection and maybe a mask as in attention.";
  let arguments = (ins Variadic<Fin_Tensor>:$xs, BoolAttr:$causal, F64Attr:$scale);
  let results = (outs Fin_FloatTensor:$result, Fin_FloatTensor:$lse);
  let autocast = "lower";
  let shapeRule = "packedAttention";
  let example = "%y, %lse = fin.packed_attention %qkv {causal = true, scale = 0.5 : f64} : (tensor<2x3x3x1x4xf32>) -> (tensor<2x3x1x4xf32>, tensor<2x3x1xf32>)";
  let savedOperands = [0, 1];
  let savedResults = [0, 1];
}
def Fin_PackedAttentionGradOp : Fin_AttentionOpBase<"packed_attention_grad", "gradient of packed_attention with respect to the packed projection"> {
  let description = "Operands are dy, the packed projection, lse, delta as in attention_grad, and maybe the mask.";
  let arguments = (ins Variadic<Fin_Tensor>:$xs, BoolAttr:$causal, F64Attr:$scale);
  let results = (outs Fin_FloatTensor:$dqkv);
  let shapeRule = "packedAttentionGrad";
  let example = "%d = fin.packed_attention_grad %dy, %qkv, %lse, %delta {causal = true, scale = 0.5 : f64} : (tensor<2x3x1x4xf32>, tensor<2x3x3x1x4xf32>, tensor<2x3x1xf32>, tensor<2x3x1xf32>) -> tensor<2x3x3x1x4xf32>";
  let savedOperands = [0, 1, 2, 3, 4];
}
#endif
