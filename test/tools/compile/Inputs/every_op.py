# SPDX-License-Identifier: Apache-2.0
"""Writes one graph of every op's example: every_op.py FinOps.json GRAPH.

Left out: print, which a library does not have. Starts of slices are zeros and what is asserted is true: chance would fail.
"""
import json
import re
import sys

LEFT_OUT = {"print"}


def name_of(op, operand):
    prefix = "ones" if op == "assert" else "zeros" if operand.endswith("_starts") else "in"
    return f'{{fin.name = "{prefix}_{operand[1:]}"}}'


def main():
    records = json.load(open(sys.argv[1]))
    arguments, lines, values, types = [], [], [], []
    for op in sorted(records[name]["opName"] for name in records["!instanceof"]["Fin_Op"] if records[name]["opName"] not in LEFT_OUT):
        record = next(r for r in records.values() if isinstance(r, dict) and r.get("opName") == op)
        example = re.sub(r"%(\w+)", rf"%{op}_\1", record["example"])
        left, _, right = example.rpartition(" = fin.")
        operands = re.findall(r"%\w+", right)
        signature = right[right.rindex(" : (") + 3:]
        into, outof = (re.findall(r"tensor<[^>]*>", part) for part in signature.split(" -> "))
        arguments += [f"{o}: {t} {name_of(op, o)}" for o, t in dict(zip(operands, into)).items()]
        lines.append("  " + example)
        values += re.findall(r"%\w+", left)
        types += outof
    with open(sys.argv[2], "w") as out:
        out.write(f"func.func @main({', '.join(arguments)}) -> ({', '.join(types)}) {{\n")
        out.write("\n".join(lines) + f"\n  return {', '.join(values)} : {', '.join(types)}\n}}\n")
    print(f"{len(lines)} ops")


main()
