// SPDX-License-Identifier: Apache-2.0
// Counter-based random numbers (Philox 4x32-10, Salmon et al., SC'11) and ordered effects.
// Element i of an op reads word i % 4 of the block at counter `state[1] + offset + i / 4` under key `state[0]`.
#ifndef FIN_RANDOM_OPS_TD
#define FIN_RANDOM_OPS_TD
include "FinBase.td"

class Fin_RandomOp<string mnemonic, string text> : Fin_Op<mnemonic, [Pure, Fin_Random]> {
  let summary = text;
  let differentiable = 0;
  let family = "random";
}
def Fin_RandomBitsOp : Fin_RandomOp<"random_bits", "32 random bits an element"> {
  let arguments = (ins Fin_RandomState:$state, Fin_ShapeAttr:$shape, I64Attr:$offset);
  let results = (outs RankedTensorOf<[I32]>:$result);
  let shapeRule = "randomBits";
  let example = "%r = fin.random_bits %state {shape = [2, 3], offset = 0 : i64} : (tensor<2xi64>) -> tensor<2x3xi32>";
}
def Fin_UniformOp : Fin_RandomOp<"uniform", "uniform in [0, 1): the upper 24 bits of a word times 2**-24"> {
  let arguments = (ins Fin_RandomState:$state, Fin_ShapeAttr:$shape, TypeAttr:$dtype, I64Attr:$offset);
  let results = (outs Fin_FloatTensor:$result);
  let shapeRule = "randomFloats";
  let example = "%r = fin.uniform %state {shape = [2, 3], dtype = f32, offset = 0 : i64} : (tensor<2xi64>) -> tensor<2x3xf32>";
}
def Fin_NormalOp : Fin_RandomOp<"normal", "standard normal, by Box-Muller from the words (0, 1) and (2, 3) of a block"> {
  let arguments = (ins Fin_RandomState:$state, Fin_ShapeAttr:$shape, TypeAttr:$dtype, I64Attr:$offset);
  let results = (outs Fin_FloatTensor:$result);
  let shapeRule = "randomFloats";
  let example = "%r = fin.normal %state {shape = [2, 3], dtype = f32, offset = 0 : i64} : (tensor<2xi64>) -> tensor<2x3xf32>";
}
def Fin_DropoutOp : Fin_Op<"dropout", [Pure, Fin_Random, Fin_Composite]> {
  let summary = "x / (1 - p) where uniform(state, offset) >= p, else 0; p is a 0-d tensor of x's dtype";
  let arguments = (ins Fin_FloatTensor:$x, Fin_FloatTensor:$p, Fin_RandomState:$state, I64Attr:$offset);
  let results = (outs Fin_FloatTensor:$result);
  let shapeRule = "dropout";
  let example = "%y = fin.dropout %x, %p, %state {offset = 0 : i64} : (tensor<2x3xf32>, tensor<f32>, tensor<2xi64>) -> tensor<2x3xf32>";
  let savedOperands = [1, 2];
  let family = "random";
}

class Fin_EffectOp<string mnemonic, string text> : Fin_Op<mnemonic, [MemoryEffects<[MemWrite]>]> {
  let summary = text;
  let results = (outs);
  let shapeRule = "effect";
  let differentiable = 0;
  let family = "effect";
}
def Fin_PrintOp : Fin_EffectOp<"print", "prints message and x to standard output, in program order"> {
  let arguments = (ins Fin_Tensor:$x, StrAttr:$message);
  let example = "fin.print %x {message = \"loss\"} : (tensor<2x3xf32>) -> ()";
}
def Fin_AssertOp : Fin_EffectOp<"assert", "fails with message unless every element of condition is true"> {
  let arguments = (ins Fin_BoolTensor:$condition, StrAttr:$message);
  let example = "fin.assert %p {message = \"x is finite\"} : (tensor<2x3xi1>) -> ()";
}
#endif
