// SPDX-License-Identifier: Apache-2.0
// The fin dialect, its tensor types and the base classes every op family builds on.
#ifndef FIN_BASE_TD
#define FIN_BASE_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/CommonAttrConstraints.td"
include "mlir/IR/CommonTypeConstraints.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Fin_Dialect : Dialect {
  let name = "fin";
  let cppNamespace = "::tinyfin::fin";
  let summary = "Tensor programs as users write them: the ops of eager code, training steps and exported graphs.";
  let hasConstantMaterializer = 1;
  let useDefaultAttributePrinterParser = 1;
}

// What a tensor may hold. `ui8` is the user's uint8, `i1` the user's bool.
def Fin_Float : AnyTypeOf<[F32, F64, BF16, F16]>;
def Fin_Int : AnyTypeOf<[I64, I32, I8, UI8]>;
def Fin_Tensor : RankedTensorOf<[F32, F64, BF16, F16, I64, I32, I8, UI8, I1]>;
def Fin_NumberTensor : RankedTensorOf<[F32, F64, BF16, F16, I64, I32, I8, UI8]>;
def Fin_FloatTensor : RankedTensorOf<[F32, F64, BF16, F16]>;
def Fin_BoolTensor : RankedTensorOf<[I1]>;
def Fin_IndexTensor : RankedTensorOf<[I64, I32]>;
def Fin_IndexVector : 1DTensorOf<[I64]>;
def Fin_RandomState : 1DTensorOf<[I64]>;  // (seed, first counter)

// A shape as an attribute: integers, and "N" or "4*N" where a dim is symbolic.
def Fin_ShapeAttr : TypedArrayAttrBase<AnyAttrOf<[I64Attr, StrAttr]>, "array of extents">;

// Whether image batches are [N,H,W,C] instead of [N,C,H,W]. Users record false; the pass channels-last says true.
def Fin_LayoutAttr : DefaultValuedAttr<BoolAttr, "false">;

// A recorded op: what a user's line becomes. The generator (ir/generate.py) reads these fields and
// derives the op table, the typed builders, the Python bindings, the stubs and the reference page.
class Fin_Op<string mnemonic, list<Trait> traits = []>
    : Op<Fin_Dialect, mnemonic, traits # [DeclareOpInterfaceMethods<InferTypeOpInterface>]> {
  // Name of the shape rule in ir/shape/ (LogicalResult shape::NAME(ShapeQuery &)).
  string shapeRule = ?;
  // Whether ir/derivatives/ holds `vjp<CamelName>`; the linker names the one forgotten.
  bit differentiable = 1;
  // What the derivative rule reads: the tape keeps only these (operand and result numbers).
  list<int> savedOperands = [];
  list<int> savedResults = [];
  // What autocast does to floating point operands: "keep" (nothing), "lower" (to its dtype) or "wide" (halves to f32).
  string autocast = "keep";
  // Section of the reference page, and of the Python module.
  string family = ?;
  // One use, with its types; a test parses it and the reference page shows it.
  string example = ?;
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
  let extraClassDefinition = [{
    ::llvm::LogicalResult $cppClass::inferReturnTypes(
        ::mlir::MLIRContext *context, std::optional<::mlir::Location> location,
        ::mlir::ValueRange operands, ::mlir::DictionaryAttr attributes,
        ::mlir::OpaqueProperties properties, ::mlir::RegionRange,
        ::llvm::SmallVectorImpl<::mlir::Type> &inferred) {
      return ::tinyfin::fin::inferTypesByRule<$cppClass>(context, location, operands, attributes,
                                                         properties, inferred);
    }
  }];
}

// Marks ops that are computed one output element at a time from the elements at the same place.
def Fin_Elementwise : NativeOpTrait<"Elementwise"> { let cppNamespace = "::tinyfin::fin"; }
// Marks ops defined by other fin ops: ir/decompositions/ holds `decompose<CamelName>`.
def Fin_Composite : NativeOpTrait<"Composite"> { let cppNamespace = "::tinyfin::fin"; }
// Marks ops that draw random numbers: the last operand is the random state, `offset` is relative to the graph.
def Fin_Random : NativeOpTrait<"Random"> { let cppNamespace = "::tinyfin::fin"; }

#endif
