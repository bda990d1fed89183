# SPDX-License-Identifier: Apache-2.0
"""Runs the example of every op's definition through tinyfin-opt: it parses, and what is printed parses to the same.

usage: examples.py FinOps.json
"""
import json
import re
import subprocess
import sys


def opt(text, *flags):
    done = subprocess.run(["tinyfin-opt", "-", *flags], input=text, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"tinyfin-opt failed on\n{text}\n{done.stderr}")
    return done.stdout


def split_types(text):
    """The types of "(a, b<c, d>)"."""
    types, depth, start = [], 0, 0
    inner = text.strip()[1:-1]
    for i, c in enumerate(inner + ","):
        depth += (c in "<[") - (c in ">]")
        if c == "," and depth == 0:
            types.append(inner[start:i].strip())
            start = i + 1
    return [t for t in types if t]


def function(name, example):
    """A function around the example, whose operands are its arguments."""
    body = re.sub(r"^[%\w, ]*=\s*(?=fin\.)", "", example)
    operands = re.findall(r"%\w+", body)
    types = split_types(re.search(r": (\([^)]*\)) ->", body).group(1))
    if len(operands) != len(types):
        sys.exit(f"{name}: {len(operands)} operands but {len(types)} types in {example}")
    arguments = ", ".join(f"{o}: {t}" for o, t in dict(zip(operands, types)).items())
    return f"func.func @{name}({arguments}) {{\n  {example}\n  return\n}}\n"


def main():
    records = json.load(open(sys.argv[1]))
    ops = {records[name]["opName"]: records[name]["example"] for name in records["!instanceof"]["Fin_Op"]}
    text = "".join(function(name, example) for name, example in sorted(ops.items()))
    printed = opt(text)
    if opt(printed) != printed:
        sys.exit("printing is not a fixed point")
    if opt(opt(text, "--mlir-print-op-generic")) != printed:
        sys.exit("the generic form means something else")
    for name in ops:
        if len(re.findall(rf"\bfin\.{name} ", printed)) < 1 and name != "iota":
            sys.exit(f"fin.{name} is not in what was printed")
    print(f"{len(ops)} examples")


if __name__ == "__main__":
    main()
