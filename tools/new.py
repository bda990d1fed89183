#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Starts a new op or pass: puts stubs in every place that needs one. The build then fails at each stub until it is written.

usage: tools/new.py op NAME [--binary]     an elementwise op, e.g. softplus
       tools/new.py pass NAME              a pass over functions, e.g. hoist-casts
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def camel(name):
    return "".join(part.capitalize() for part in re.split("[_-]", name))


def insert_before(path, marker, text):
    """Puts text before the last occurrence of marker."""
    file = ROOT / path
    content = file.read_text()
    at = content.rindex(marker)
    file.write_text(content[:at] + text + content[at:])
    print(f"  {path}: added to")


def create(path, text):
    file = ROOT / path
    if file.exists():
        sys.exit(f"{path} exists already")
    file.write_text(text)
    print(f"  {path}: new")


def new_op(name, binary):
    if not re.fullmatch("[a-z][a-z0-9_]*", name):
        sys.exit(f"found op name {name!r}, wanted snake_case such as log_sigmoid")
    if f'"{name}"' in (ROOT / "ir/ElementwiseOps.td").read_text():
        sys.exit(f"fin.{name} exists already")
    operands = "%x, %y" if binary else "%x"
    types = "tensor<4xf32>, tensor<4xf32>" if binary else "tensor<4xf32>"
    print(f"stubs of fin.{name}:")
    insert_before("ir/ElementwiseOps.td", "#endif", f'def Fin_{camel(name)}Op : Fin_{"Binary" if binary else "Unary"}Op<"{name}", "WRITE: the formula"> {{ let savedOperands = [0]; }}\n')
    insert_before("runtime/kernels/Kernels.h", "// reduction\n", f'TINYFIN_KERNEL("fin.{name}");\n')
    source = "ElementwiseBinary" if binary else "ElementwiseUnary"
    insert_before(f"runtime/kernels/{source}.cpp", "} // namespace tinyfin",
                  f'Status Kernel<"fin.{name}">::run(const KernelArgs &args) {{ static_assert(false, "write the kernel of fin.{name}"); }}\n')
    insert_before("ir/derivatives/Elementwise.cpp", "} // namespace tinyfin::fin",
                  f'void vjp{camel(name)}(RuleContext &c) {{\n  static_assert(false, "write the derivative of fin.{name}, or set `differentiable = 0` in its definition");\n}}\n\n')
    create(f"test/ir/{name.replace('_', '-')}.mlir", f"""// SPDX-License-Identifier: Apache-2.0
// RUN: %roundtrip

// CHECK-LABEL: func.func @{name}_prints_what_it_parses
func.func @{name}_prints_what_it_parses({', '.join(o + ': tensor<4xf32>' for o in operands.split(', '))}) -> tensor<4xf32> {{
  // CHECK: fin.{name} %{{{{.*}}}} : ({types}) -> tensor<4xf32>
  %0 = fin.{name} {operands} : ({types}) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}}
""")
    arguments = "rand(5, 7), rand(7, seed=1)" if binary else "rand(5, 7)"
    create(f"test/python/test_op_{name}.py", f'''# SPDX-License-Identifier: Apache-2.0
"""fin.{name}: value and gradient are PyTorch's."""
from oracle import check, rand, torch

import tinyfin as fin


def test_{name}():
    check(fin.ops.{name}, torch.{name}, {arguments})
''')
    print("next: build, write what the compiler names, and add the method in python/ if users call it (docs/adding-an-op.md)")


def new_pass(name):
    if not re.fullmatch("[a-z][a-z0-9-]*", name):
        sys.exit(f"found pass name {name!r}, wanted words with dashes such as hoist-casts")
    cls = camel(name)
    if f"def {cls}Pass " in (ROOT / "passes/Passes.td").read_text():
        sys.exit(f"--fin-{name} exists already")
    print(f"stubs of --fin-{name}:")
    insert_before("passes/Passes.td", "#endif", f'''def {cls}Pass : Fin_Pass<"{name}"> {{
  let summary = "WRITE: a verb phrase";
  let description = [{{
    WRITE: what it does, what must run first, what it guarantees.
    Before: `...`. After: `...`.
  }}];
}}

''')
    create(f"passes/{cls}.cpp", f'''// SPDX-License-Identifier: Apache-2.0
// WRITE: the job of this pass and why it is done this way.
#include "passes/Passes.h"

using namespace mlir;

namespace tinyfin::fin {{

#define GEN_PASS_DEF_{cls.upper()}PASS
#include "passes/Passes.h.inc"

namespace {{

void {cls[0].lower() + cls[1:]}(func::FuncOp function) {{ static_assert(false, "write --fin-{name}"); }}

struct {cls} : impl::{cls}PassBase<{cls}> {{
  void runOnOperation() override {{ {cls[0].lower() + cls[1:]}(getOperation()); }}
}};

}} // namespace
}} // namespace tinyfin::fin
''')
    create(f"test/passes/{name}.mlir", f"""// SPDX-License-Identifier: Apache-2.0
// RUN: tinyfin-opt %s --split-input-file --fin-{name} | FileCheck %s

// CHECK-LABEL: func.func @write_the_claim_here
func.func @write_the_claim_here(%x: tensor<4xf32>) -> tensor<4xf32> {{
  // CHECK: write what is wanted
  %0 = fin.exp %x : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}}
""")
    print("next: build, write it, give it a place in passes/Pipelines.cpp (docs/adding-a-pass.md)")


def main(args):
    if len(args) in (2, 3) and args[0] == "op" and args[2:] in ([], ["--binary"]):
        new_op(args[1], args[2:] == ["--binary"])
    elif len(args) == 2 and args[0] == "pass":
        new_pass(args[1])
    else:
        sys.exit(__doc__.strip())


if __name__ == "__main__":
    main(sys.argv[1:])
