// SPDX-License-Identifier: Apache-2.0
// Ops that exist only in graphs: constants, fusion regions and what planning adds. They are never recorded.
#ifndef FIN_STRUCTURE_OPS_TD
#define FIN_STRUCTURE_OPS_TD
include "FinBase.td"

def Fin_TensorAttr : AttrDef<Fin_Dialect, "TensorEncoding"> {
  let mnemonic = "tensor";
  let summary = "names of the dims of a tensor type that has dynamic ones";
  let description = "One entry a dim: \"\" where it is static, else a symbol with an optional factor such as \"N\" or \"4*N\".";
  let parameters = (ins ArrayRefParameter<"::mlir::StringAttr">:$dims);
  let assemblyFormat = "`<` `[` $dims `]` `>`";
}

class Fin_StructureOp<string mnemonic, list<Trait> traits = []> : Op<Fin_Dialect, mnemonic, traits>;

def Fin_ConstantOp : Fin_StructureOp<"constant", [ConstantLike, Pure, AllTypesMatch<["value", "result"]>]> {
  let summary = "a tensor known when the graph was made";
  let arguments = (ins ElementsAttr:$value);
  let results = (outs Fin_Tensor:$result);
  let assemblyFormat = "attr-dict $value";
  let hasFolder = 1;
}
def Fin_FusionOp : Fin_StructureOp<"fusion", [IsolatedFromAbove, SingleBlock, RecursiveMemoryEffects]> {
  let summary = "a group of fin ops that becomes one kernel";
  let description = "`kind` is map, reduction, normalization, contraction or transform; see passes/Fuse.";
  let arguments = (ins Variadic<Fin_Tensor>:$inputs, StrAttr:$kind);
  let results = (outs Variadic<Fin_Tensor>:$results);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
}
def Fin_YieldOp : Fin_StructureOp<"yield", [Pure, Terminator, HasParent<"FusionOp">]> {
  let summary = "the results of a fusion region";
  let arguments = (ins Variadic<Fin_Tensor>:$values);
  let assemblyFormat = "attr-dict ($values^ `:` type($values))?";
}
def Fin_AliasOp : Fin_StructureOp<"alias", [Pure, AllTypesMatch<["value", "result"]>]> {
  let summary = "value, which may be written over the buffer of `into` when the caller holds its sole reference";
  let arguments = (ins Fin_Tensor:$value, Fin_Tensor:$into);
  let results = (outs Fin_Tensor:$result);
  let assemblyFormat = "$value `into` $into attr-dict `:` type($value) `,` type($into)";
  let hasVerifier = 1;
}
def Fin_TransferOp : Fin_StructureOp<"transfer", [Pure, AllTypesMatch<["x", "result"]>]> {
  let summary = "x on another device";
  let arguments = (ins Fin_Tensor:$x, StrAttr:$device);
  let results = (outs Fin_Tensor:$result);
  let assemblyFormat = "$x `to` $device attr-dict `:` type($x)";
}
#endif
