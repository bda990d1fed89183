#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures tinyfin beside its peers and marks what is below its must or reaches its aim (bars.py has the figures).

Each figure comes from a process of its own. A peer is measured at every setting worth trying (threads, their waiting policy, fused
optimizer, layout of images, compile mode) and its best counts. Losses and embeddings must be the same in all libraries.
"""
import argparse
import os
import pathlib
import sys

import bars
import peers as p
import robustness
import roofline
import steps
import table
import workloads as w

OTHERS = {"eager-op": steps.eager_op_rows, "import": steps.import_rows}
PARTS = ("memory", "stolen", "compile-time", "roofline")
NAMES = (*w.TRAINING, *w.INFERENCE, *OTHERS)


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="all workloads and all parts")
    parser.add_argument("--workload", default="", help=f"comma list of {', '.join(NAMES)}")
    parser.add_argument("--dtype", default="f32,bf16", help="comma list of f32 and bf16 (default both)")
    parser.add_argument("--peers", default="torch", help="comma list of torch, torch.compile, jax, onnxruntime, openvino; what is not installed is left out. "
                        "MiniLM is always compared with onnxruntime and OpenVINO where they are installed")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--json", help="also write the rows to this file")
    parser.add_argument("--markdown", help="also write the table to this file, as in docs/benchmarks.md")
    for part in PARTS:
        parser.add_argument("--" + part, action="store_true", help={"memory": "peak memory of GPT-mini and ResNet-18", "stolen": "slowdown with one core busy",
                            "compile-time": "cold compile, and its cost in layers", "roofline": "shares of the machine's measured peaks"}[part])
    options = parser.parse_args(arguments)
    for given, known, what in ((options.workload, NAMES, "workload"), (options.dtype, ("f32", "bf16"), "dtype"),
                               (options.peers, (*p.TRAINING_PEERS, *p.INFERENCE_PEERS), "peer")):
        unknown = sorted(set(filter(None, given.split(","))) - set(known))
        if unknown:
            parser.error(f"unknown {what} {', '.join(unknown)}, wanted some of {', '.join(dict.fromkeys(known))}")
    options.workload = list(NAMES) if options.all else [n for n in options.workload.split(",") if n]
    options.dtype = options.dtype.split(",")
    if not options.workload and not any(getattr(options, part.replace("-", "_")) for part in PARTS):
        options.workload = ["tiny-mlp"]
    return options


def jobs(options):
    """Functions that each make some rows, in the order of the table."""
    threads = options.threads
    wanted = p.installed([peer for peer in options.peers.split(",") if peer])
    inference = wanted + [peer for peer in p.installed(("onnxruntime", "openvino")) if peer not in wanted] if set(options.workload) & set(w.INFERENCE) else []
    for name in options.workload:
        if name in OTHERS:
            yield lambda name=name: OTHERS[name](wanted, threads)
            continue
        for dtype in options.dtype:
            if (name, dtype) in bars.STEPS:
                make, peers = (steps.training_rows, wanted) if name in w.TRAINING else (steps.inference_rows, inference)
                yield lambda name=name, dtype=dtype, make=make, peers=peers: make(name, dtype, peers, threads)
    if options.all or options.compile_time:
        yield lambda: robustness.compile_rows(bars.COLD_COMPILE, wanted, threads)
        yield lambda: robustness.layer_rows(threads)
    for part, rows in (("memory", robustness.memory_rows), ("stolen", robustness.stolen_rows)):
        for name in ("gpt-mini", "resnet18") if options.all or getattr(options, part) else ():
            yield lambda rows=rows, name=name: rows(name, wanted, threads)
    if options.all or options.roofline:
        yield lambda: roofline.rows(threads)


def write(options, rows):
    if options.json:
        table.write_json(options.json, rows, options.threads)
    if options.markdown:
        pathlib.Path(options.markdown).write_text(table.markdown(rows, options.threads))


def main():
    options = parse(sys.argv[1:])
    rows = []
    for job in jobs(options):
        new = job()
        table.print_rows(new)
        rows += new
        write(options, rows)  # after each: a run that is stopped keeps what it measured
    print(table.verdict(rows))
    sys.exit(1 if any(r["met"] is False for r in rows) else 0)


if __name__ == "__main__":
    main()
