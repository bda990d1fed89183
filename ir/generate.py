#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Derives C++ tables, typed emitters, Python bindings, stubs and the op reference from the fin .td files.

usage: generate.py KIND OPS.json OUT    (OPS.json is what `llvm-tblgen --dump-json` prints)
"""
import json
import re
import sys

ATTR_KINDS = {  # ODS constraint -> (AttrKind, C++ parameter, how it is written, Python type)
    "Fin_LayoutAttr": ("Flag", "bool", "flag", "bool"),
    "I64Attr": ("Integer", "int64_t", "integer", "int"),
    "BoolAttr": ("Flag", "bool", "flag", "bool"),
    "F64Attr": ("Real", "double", "real", "float"),
    "TypeAttr": ("DType", "DType", "dtype", "dtype"),
    "DenseI64ArrayAttr": ("List", "llvm::ArrayRef<int64_t>", "list", "Sequence[int]"),
    "Fin_ShapeAttr": ("Shape", "llvm::ArrayRef<Dim>", "list", "Sequence[int]"),
    "StrAttr": ("Text", "llvm::StringRef", "text", "str"),
}

OPTIONAL_ATTRS = {"Fin_LayoutAttr"}  # flags that are false where they are not given; last in their ops

DTYPE_SETS = {  # ODS operand constraint -> DTypeSet: the shape rules' check is the .td's
    "Fin_Tensor": "Any", "Fin_NumberTensor": "Number", "Fin_FloatTensor": "Float", "Fin_BoolTensor": "Bool",
    "Fin_IndexTensor": "Index", "Fin_IndexVector": "Int64", "Fin_RandomState": "Int64",
}
AUTOCAST = ("Keep", "Lower", "Wide")  # Autocast in ir/OpTable.h


class RecordedOp:
    """One Fin_Op record, in the words the generators below use."""

    def __init__(self, record, records):
        self.mnemonic = record["opName"]
        self.cls = re.sub("^Fin_", "", record["!name"])
        self.id = re.sub("Op$", "", self.cls)
        self.summary, self.family, self.shape_rule = record["summary"], record["family"], record["shapeRule"]
        self.description, self.example = record.get("description") or "", record["example"]
        if not self.example:
            sys.exit(f"{record['!name']}: example is missing, wanted one use of the op with its types")
        self.differentiable = bool(record["differentiable"])
        self.saved_operands = sum(1 << i for i in record["savedOperands"])
        self.saved_results = sum(1 << i for i in record["savedResults"])
        self.results = [name for _, name in record["results"]["args"]]
        self.operands, self.dtype_sets, self.attrs, self.variadic, self.optional_attrs = [], [], [], False, set()
        for constraint, name in record["arguments"]["args"]:
            kind = constraint["def"]
            if kind in ATTR_KINDS:
                self.attrs.append((name, *ATTR_KINDS[kind]))
                if kind in OPTIONAL_ATTRS:
                    self.optional_attrs.add(name)
                continue
            if "Attr" in records[kind]["!superclasses"]:
                sys.exit(f"{record['!name']}: attribute kind {kind} is unknown, wanted one of {', '.join(ATTR_KINDS)}")
            self.operands.append(name)
            if "Variadic" in records[kind]["!superclasses"]:
                self.variadic, kind = True, records[kind]["baseType"]["def"]
            if kind not in DTYPE_SETS:
                sys.exit(f"{record['!name']}: operand kind {kind} is unknown, wanted one of {', '.join(DTYPE_SETS)}")
            self.dtype_sets.append(DTYPE_SETS[kind])
        traits = {t["def"] for t in record["traits"]}
        self.elementwise, self.composite = "Fin_Elementwise" in traits, "Fin_Composite" in traits
        self.autocast = record["autocast"].capitalize()
        if self.autocast not in AUTOCAST:
            sys.exit(f"{record['!name']}: autocast is {record['autocast']!r}, wanted one of {', '.join(AUTOCAST).lower()}")
        self.random, self.effect = "Fin_Random" in traits, "Pure" not in traits

    @property
    def method(self):  # the C++ emitter's name
        name = self.id[0].lower() + self.id[1:]
        return name + "Op" if name in {"assert", "print"} else name


def load(path):
    records = json.load(open(path))
    return [RecordedOp(records[name], records) for name in records["!instanceof"]["Fin_Op"]]


def op_list(ops):
    lines = [f'FIN_OP({op.id}, {op.cls}, "{op.mnemonic}")' for op in ops]
    return "\n".join(["#ifndef FIN_OP", "#error define FIN_OP(Id, Class, mnemonic)", "#endif", *lines, "#undef FIN_OP"])


def quoted(text):
    return json.dumps(text)


def op_table(ops):
    out = ["namespace shape {"]
    out += [f"llvm::LogicalResult {rule}(ShapeQuery &);" for rule in sorted({op.shape_rule for op in ops})]
    out += ["} // namespace shape"]
    out += [f"void vjp{op.id}(RuleContext &);" for op in ops if op.differentiable]
    out += [f"void decompose{op.id}(RuleContext &);" for op in ops if op.composite]
    for op in ops:
        if op.operands:
            out.append(f"static const char *const operands{op.id}[] = {{{', '.join(map(quoted, op.operands))}}};")
            out.append(f"static const DTypeSet dtypes{op.id}[] = {{{', '.join(f'DTypeSet::{s}' for s in op.dtype_sets)}}};")
        if op.results:
            out.append(f"static const char *const results{op.id}[] = {{{', '.join(map(quoted, op.results))}}};")
        if op.attrs:
            attrs = ", ".join(f"{{{quoted(a[0])}, AttrKind::{a[1]}, {str(a[0] in op.optional_attrs).lower()}}}" for a in op.attrs)
            out.append(f"static const AttrInfo attrs{op.id}[] = {{{attrs}}};")
    out.append("static const OpInfo opTable[] = {")
    for op in ops:
        flags = ", ".join(str(bool(f)).lower() for f in (op.variadic, op.elementwise, op.composite, op.random, op.effect))
        out.append(
            f'    {{"fin.{op.mnemonic}", "{op.mnemonic}", "{op.family}", {quoted(op.summary)}, '
            f'{f"operands{op.id}" if op.operands else "{}"}, {f"results{op.id}" if op.results else "{}"}, '
            f'{f"attrs{op.id}" if op.attrs else "{}"}, {flags}, {op.saved_operands}u, {op.saved_results}u, '
            f'shape::{op.shape_rule}, {f"vjp{op.id}" if op.differentiable else "nullptr"}, '
            f'{f"decompose{op.id}" if op.composite else "nullptr"}, {f"dtypes{op.id}" if op.operands else "{}"}, '
            f'Autocast::{op.autocast}}},')
    return "\n".join(out + ["};"])


def op_emitters(ops):
    out = []
    for op in ops:
        params = ["llvm::ArrayRef<Value> xs"] if op.variadic else [f"const Value &{name}" for name in op.operands]
        params += [f"{cpp} {name}" + (" = false" if name in op.optional_attrs else "") for name, _, cpp, _, _ in op.attrs]
        body = ["    Words words;"] if op.attrs else []
        for name, kind, _, write, _ in op.attrs:
            if kind == "Shape":
                body.append(f"    AttrWriter(words).integer({name}.size()); for (Dim dim : {name}) words.push_back(dim.word());")
            else:
                value = f"std::string_view({name}.data(), {name}.size())" if kind == "Text" else name
                body.append(f"    AttrWriter(words).{write}({value});")
        operands = "xs" if op.variadic else "{" + ", ".join(op.operands) + "}"
        call = f"self().emit(OpId::{op.id}, {'words' if op.attrs else '{}'}, {operands})"
        result = "void" if not op.results else "Value" if len(op.results) == 1 else "llvm::SmallVector<Value, 4>"
        body.append(f"    {call};" if not op.results else f"    return {call}[0];" if len(op.results) == 1 else f"    return {call};")
        out += [f"  /// {op.summary}", f"  {result} {op.method}({', '.join(params)}) {{", *body, "  }"]
    return "\n".join(out)


KINDS = {"op-list": op_list, "op-table": op_table, "op-emitters": op_emitters}


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in KINDS:
        sys.exit(f"usage: generate.py {'|'.join(KINDS)} OPS.json OUT")
    kind, source, out = sys.argv[1:]
    text = KINDS[kind](load(source))
    with open(out, "w") as file:
        file.write("// Generated by ir/generate.py from ir/*.td.\n" + text + "\n")


if __name__ == "__main__":
    main()
