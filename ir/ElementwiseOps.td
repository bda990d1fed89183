// SPDX-License-Identifier: Apache-2.0
// Ops computed element by element. Operands broadcast like NumPy's; dtypes are equal (casts are explicit).
#ifndef FIN_ELEMENTWISE_OPS_TD
#define FIN_ELEMENTWISE_OPS_TD
include "FinBase.td"

class Fin_ElementwiseOp<string mnemonic, list<Trait> traits = []>
    : Fin_Op<mnemonic, traits # [Pure, Fin_Elementwise]> {
  let family = "elementwise";
}

class Fin_UnaryOp<string mnemonic, string text, Type type = Fin_FloatTensor, list<Trait> traits = []>
    : Fin_ElementwiseOp<mnemonic, traits> {
  let summary = text;
  let arguments = (ins type:$x);
  let results = (outs type:$result);
  let example = "%y = fin." # mnemonic # " %x : (tensor<2x3xf32>) -> tensor<2x3xf32>";
  let shapeRule = "sameAsOperand";
}

class Fin_BinaryOp<string mnemonic, string text, Type type = Fin_NumberTensor, list<Trait> traits = []>
    : Fin_ElementwiseOp<mnemonic, traits> {
  let summary = text;
  let arguments = (ins type:$lhs, type:$rhs);
  let results = (outs type:$result);
  let shapeRule = "broadcastOperands";
  let example = "%r = fin." # mnemonic # " %x, %y : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>";
}

class Fin_CompareOp<string mnemonic, string text> : Fin_ElementwiseOp<mnemonic> {
  let summary = text;
  let arguments = (ins Fin_Tensor:$lhs, Fin_Tensor:$rhs);
  let results = (outs Fin_BoolTensor:$result);
  let shapeRule = "compareOperands";
  let example = "%r = fin." # mnemonic # " %x, %y : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xi1>";
  let differentiable = 0;
}

class Fin_LogicalOp<string mnemonic, string text> : Fin_BinaryOp<mnemonic, text, Fin_BoolTensor> {
  let differentiable = 0;
  let hasFolder = 1;
  let example = "%r = fin." # mnemonic # " %p, %q : (tensor<2x3xi1>, tensor<3xi1>) -> tensor<2x3xi1>";
}

def Fin_AddOp : Fin_BinaryOp<"add", "lhs + rhs", Fin_NumberTensor, [Commutative]> { let hasFolder = 1; }
def Fin_SubOp : Fin_BinaryOp<"sub", "lhs - rhs"> { let hasFolder = 1; }
def Fin_MulOp : Fin_BinaryOp<"mul", "lhs * rhs", Fin_NumberTensor, [Commutative]> { let hasFolder = 1; let savedOperands = [0, 1]; }
def Fin_DivOp : Fin_BinaryOp<"div", "lhs / rhs; integers round towards zero"> {
  let savedOperands = [0, 1];
  let hasFolder = 1;
  let hasCanonicalizeMethod = 1;
}
def Fin_PowOp : Fin_BinaryOp<"pow", "lhs ** rhs", Fin_FloatTensor> {
  let savedOperands = [0, 1];
  let savedResults = [0];
  let hasFolder = 1;
  let hasCanonicalizeMethod = 1;
}
def Fin_MaximumOp : Fin_BinaryOp<"maximum", "the larger of lhs and rhs; NaN if either is", Fin_NumberTensor, [Commutative]> { let hasFolder = 1; let savedOperands = [0, 1]; }
def Fin_MinimumOp : Fin_BinaryOp<"minimum", "the smaller of lhs and rhs; NaN if either is", Fin_NumberTensor, [Commutative]> { let hasFolder = 1; let savedOperands = [0, 1]; }

def Fin_EqOp : Fin_CompareOp<"eq", "lhs == rhs">;
def Fin_NeOp : Fin_CompareOp<"ne", "lhs != rhs">;
def Fin_LtOp : Fin_CompareOp<"lt", "lhs < rhs">;
def Fin_LeOp : Fin_CompareOp<"le", "lhs <= rhs">;
def Fin_GtOp : Fin_CompareOp<"gt", "lhs > rhs">;
def Fin_GeOp : Fin_CompareOp<"ge", "lhs >= rhs">;

def Fin_LogicalAndOp : Fin_LogicalOp<"logical_and", "lhs and rhs">;
def Fin_LogicalOrOp : Fin_LogicalOp<"logical_or", "lhs or rhs">;
def Fin_LogicalXorOp : Fin_LogicalOp<"logical_xor", "lhs != rhs, of booleans">;
def Fin_LogicalNotOp : Fin_UnaryOp<"logical_not", "not x", Fin_BoolTensor> {
  let hasFolder = 1;
  let differentiable = 0;
  let example = "%q = fin.logical_not %p : (tensor<2x3xi1>) -> tensor<2x3xi1>";
}

def Fin_ExpOp : Fin_UnaryOp<"exp", "e ** x"> { let savedResults = [0]; }
def Fin_LogOp : Fin_UnaryOp<"log", "natural logarithm of x"> { let hasCanonicalizeMethod = 1; let savedOperands = [0]; }
def Fin_SqrtOp : Fin_UnaryOp<"sqrt", "square root of x"> { let savedResults = [0]; }
def Fin_RsqrtOp : Fin_UnaryOp<"rsqrt", "1 / sqrt(x)"> { let savedResults = [0]; }
def Fin_SquareOp : Fin_UnaryOp<"square", "x * x", Fin_NumberTensor> { let savedOperands = [0]; }
def Fin_ReciprocalOp : Fin_UnaryOp<"reciprocal", "1 / x"> { let savedResults = [0]; }
def Fin_TanhOp : Fin_UnaryOp<"tanh", "hyperbolic tangent of x"> { let savedResults = [0]; }
def Fin_ErfOp : Fin_UnaryOp<"erf", "error function of x"> { let savedOperands = [0]; }
def Fin_SinOp : Fin_UnaryOp<"sin", "sine of x (radians)"> { let savedOperands = [0]; }
def Fin_CosOp : Fin_UnaryOp<"cos", "cosine of x (radians)"> { let savedOperands = [0]; }
def Fin_AbsOp : Fin_UnaryOp<"abs", "magnitude of x", Fin_NumberTensor> { let hasFolder = 1; let savedOperands = [0]; }
def Fin_NegOp : Fin_UnaryOp<"neg", "-x", Fin_NumberTensor> { let hasFolder = 1; }
def Fin_SignOp : Fin_UnaryOp<"sign", "-1, 0 or 1; NaN stays NaN", Fin_NumberTensor> { let hasFolder = 1; let differentiable = 0; }
def Fin_ReluOp : Fin_UnaryOp<"relu", "max(x, 0); NaN stays NaN", Fin_NumberTensor> { let hasFolder = 1; let savedResults = [0]; }
def Fin_SigmoidOp : Fin_UnaryOp<"sigmoid", "1 / (1 + exp(-x))"> { let savedResults = [0]; }

def Fin_ClampOp : Fin_ElementwiseOp<"clamp"> {
  let summary = "min(max(x, low), high)";
  let arguments = (ins Fin_NumberTensor:$x, Fin_NumberTensor:$low, Fin_NumberTensor:$high);
  let results = (outs Fin_NumberTensor:$result);
  let shapeRule = "broadcastOperands";
  let savedOperands = [0, 1, 2];
  let example = "%r = fin.clamp %x, %low, %high : (tensor<2x3xf32>, tensor<f32>, tensor<f32>) -> tensor<2x3xf32>";
}

def Fin_SelectOp : Fin_ElementwiseOp<"select"> {
  let summary = "on_true where condition, else on_false";
  let arguments = (ins Fin_BoolTensor:$condition, Fin_Tensor:$on_true, Fin_Tensor:$on_false);
  let results = (outs Fin_Tensor:$result);
  let shapeRule = "select";
  let hasFolder = 1;
  let hasCanonicalizeMethod = 1;
  let example = "%r = fin.select %p, %x, %y : (tensor<2x3xi1>, tensor<2x3xf32>, tensor<f32>) -> tensor<2x3xf32>";
  let savedOperands = [0];
}

def Fin_CastOp : Fin_ElementwiseOp<"cast"> {
  let summary = "x as another dtype; float to integer truncates, anything to bool is x != 0";
  let arguments = (ins Fin_Tensor:$x, TypeAttr:$dtype);
  let results = (outs Fin_Tensor:$result);
  let shapeRule = "cast";
  let example = "%y = fin.cast %x {dtype = bf16} : (tensor<2x3xf32>) -> tensor<2x3xbf16>";
  let hasFolder = 1;
}
#endif
