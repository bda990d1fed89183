# SPDX-License-Identifier: Apache-2.0
"""Graphs for people: one op a line, types as f32[N,16,8,8], weights left out, the body of a fusion in braces."""
import re

TYPE = re.compile(r"tensor<((?:[\d?]+x)*)(\w+)(?:, #fin\.tensor<\[(.*?)\]>)?>")


def short_type(match):
    extents, element, names = match.groups()
    dims = extents.rstrip("x").split("x") if extents else []
    names = [name.strip().strip('"') for name in names.split(",")] if names else [""] * len(dims)
    return f"{element}[{','.join(name or dim for dim, name in zip(dims, names))}]"


def result_types(line):
    found = line.rsplit("->", 1)[-1].split(" attributes")[0] if "->" in line else ""
    return ", ".join(short_type(m) for m in TYPE.finditer(found))


def lines_of(text):
    """The ops of MLIR text in order, each as one short line."""
    lines, body = [], None
    for line in map(str.strip, text.splitlines()):
        found = re.match(r"(?:(%[\w:]+(?:, %[\w:]+)*) = )?fin\.(\w+)", line)
        if not found or found.group(2) == "constant":
            continue
        name = found.group(2)
        if name == "fusion":
            body, opening = [], f"{found.group(1)} = fusion {result_types(line)}"
        elif name == "yield":
            lines.append(f"{opening}  {{{' '.join(body)}}}")
            body = None
        elif body is not None:
            body.append(name)
        else:
            operands = re.match(r"[^{:]*", line[found.end():]).group().strip()
            lines.append(f"{found.group(1)} = {name} {result_types(line)}  ({operands})")
    return lines
