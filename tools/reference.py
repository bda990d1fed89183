#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the references and type stubs of one build from what the build knows of itself.

usage: reference.py BUILD MLIR_TBLGEN MLIR_INCLUDE
writes BUILD/reference/{ops,passes,settings}.md and BUILD/python/tinyfin/{_core,py.typed}
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "ir"))
import generate  # noqa: E402

OPERATORS = {
    "Tensor": "add radd sub rsub mul rmul truediv rtruediv pow rpow and or xor iadd isub imul itruediv ipow lt le gt ge",
    "matmul": "matmul",
    "unary": "neg abs invert pos",
}


def ops_page(ops):
    lines = ["# Ops", "", "Generated from ir/*.td. `tinyfin.ops.NAME(operands, attributes)` records one."]
    for family in dict.fromkeys(op.family for op in ops):
        lines += ["", f"## {family}"]
        for op in (o for o in ops if o.family == family):
            attrs = ", ".join(f"{name}: {python}" for name, _, _, _, python in op.attrs)
            arguments = ", ".join(op.operands) + ("; " + attrs if attrs else "")
            notes = [note for note, holds in (("composite", op.composite), ("elementwise", op.elementwise), ("random", op.random),
                                              ("not differentiable", not op.differentiable)) if holds]
            lines += ["", f"### fin.{op.mnemonic}", f"`({arguments}) -> {', '.join(op.results) or 'nothing'}`" +
                      (f" ({', '.join(notes)})" if notes else ""), "", op.summary + "."]
            if op.description.strip():
                lines += ["", op.description.strip()]
    return "\n".join(lines) + "\n"


def settings_page(core):
    lines = ["# Settings", "", "Generated from runtime/Config.def. Set in the environment; `=0` turns a flag off.", "",
             "| variable | default | meaning |", "|---|---|---|"]
    lines += [f"| `{name}` | `{default}` | {sentence} |" for name, _, default, sentence in core.settings()]
    return "\n".join(lines) + "\n"


def passes_page(tblgen, include):
    command = [tblgen, "-gen-pass-doc", "-I", include, "-I", ROOT, ROOT / "passes/Passes.td"]
    return "# Passes\n\n" + subprocess.run(command, check=True, capture_output=True, text=True).stdout


def stub(name, function, indent=""):
    """One function's stub from pybind11's signature line, or a general one where there is none."""
    doc = (getattr(function, "__doc__", None) or "").strip()
    found = re.match(rf"{re.escape(name)}\((.*)\) -> (.+)$", doc.splitlines()[0] if doc else "")
    arguments, result = found.groups() if found else ("*args: Any, **kwargs: Any", "Any")
    text = f"{arguments}) -> {result}"
    text = re.sub(r"tinyfin\._core\.|typing\.|collections\.abc\.", "", text).replace("object", "Any")
    text = re.sub(r"= <[^>]*>", "= ...", text)
    text = re.sub(r"\bdtype\b(?=[,)\]])|numpy\.dtype\[Any\]", "Any", text)
    return f"{indent}def {name}({text}: ..."


def checked(line):
    """The stub, or a general one where the signature is not Python."""
    try:
        compile(line.strip(), "stub", "exec")
        return line
    except SyntaxError:
        indent = line[: len(line) - len(line.lstrip())]
        name = re.match(r"\s*def (\w+)", line).group(1)
        return f"{indent}def {name}(*args: Any, **kwargs: Any) -> Any: ..."


def tensor_stub(core):
    lines = ["class Tensor:", "    def __init__(self, data: Any, requires_grad: bool = False) -> None: ..."]
    number = "Tensor | float | int | bool"
    for name in OPERATORS["Tensor"].split():
        lines.append(f"    def __{name}__(self, other: {number}) -> Tensor: ...")
    lines.append("    def __matmul__(self, other: Tensor) -> Tensor: ...")
    lines += [f"    def __{name}__(self) -> Tensor: ..." for name in OPERATORS["unary"].split()]
    lines += ["    def __getitem__(self, index: Any) -> Tensor: ...", "    def __setitem__(self, index: Any, value: Any) -> None: ...",
              "    def __len__(self) -> int: ...", "    def __bool__(self) -> bool: ..."]
    for name, member in sorted(vars(core.Tensor).items()):
        if name.startswith("_"):
            continue
        if isinstance(member, property):
            lines += ["    @property", f"    def {name}(self) -> Any: ..."]
            if member.fset:
                lines += [f"    @{name}.setter", f"    def {name}(self, value: Any) -> None: ..."]
        else:
            lines.append(checked(stub(name, member, "    ")))
    return lines


def ops_stub(ops):
    lines = ["from collections.abc import Sequence", "from typing import Any", "from . import Tensor", "from . import dtype", ""]
    for op in ops:
        if op.mnemonic in ("print", "assert"):  # not Python names; reached with getattr
            continue
        operands = ["xs: Sequence[Tensor]"] if op.variadic else [f"{name}: Tensor | float | int | bool" for name in op.operands]
        attrs = [f"{name}: {python}" + (" = False" if name in op.optional_attrs else "") for name, _, _, _, python in op.attrs]
        if op.random:
            operands, attrs = operands[:-1], attrs[:-1]
        result = "None" if not op.results else "Tensor" if len(op.results) == 1 else f"tuple[{', '.join(['Tensor'] * len(op.results))}]"
        lines.append(f"def {op.mnemonic}({', '.join(operands + attrs + ['/'])}) -> {result}: ...")
    return "\n".join(lines) + "\n"


def core_stub(core):
    lines = ["from collections.abc import Callable, Iterable, Sequence", "from typing import Any, SupportsFloat, SupportsIndex, SupportsInt, Union",
             "from . import ops as ops", "", *tensor_stub(core), "", "class dtype:", "    name: str", "    itemsize: int",
             "    is_floating_point: bool", ""]
    for name, member in sorted(vars(core).items()):
        if name.startswith("_") or name in ("Tensor", "dtype", "ops"):
            continue
        if isinstance(member, core.dtype):
            lines.append(f"{name}: dtype")
        elif isinstance(member, type):
            lines.append(f"class {name}:\n    def __getattr__(self, name: str) -> Any: ...")
        elif callable(member):
            lines.append(checked(stub(name, member)))
    return "\n".join(lines) + "\n"


def main(build, tblgen, include):
    build = pathlib.Path(build)
    sys.path.insert(0, str(build / "python"))
    import tinyfin._core as core

    ops = generate.load(build / "ir/FinOps.json")
    reference, stubs = build / "reference", build / "python/tinyfin/_core"
    for folder in (reference, stubs):
        folder.mkdir(parents=True, exist_ok=True)
    (reference / "ops.md").write_text(ops_page(ops))
    (reference / "settings.md").write_text(settings_page(core))
    (reference / "passes.md").write_text(passes_page(tblgen, include))
    (stubs / "__init__.pyi").write_text(core_stub(core))
    (stubs / "ops.pyi").write_text(ops_stub(ops))
    (build / "python/tinyfin/py.typed").touch()


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: reference.py BUILD MLIR_TBLGEN MLIR_INCLUDE")
    main(*sys.argv[1:])
