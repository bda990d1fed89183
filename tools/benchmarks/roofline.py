# SPDX-License-Identifier: Apache-2.0
"""Rows about shares of what the machine can do: matrix products of the peak of its multipliers, memory-bound kernels of the triad."""
import json
import os
import pathlib
import subprocess
import sys

import bars
import peers as p

NAME = "tinyfin-roofline"


def micro_benchmark():
    """What the executable in the build folder measured, or None."""
    found = pathlib.Path(os.environ.get("BENCH_BUILD", pathlib.Path(__file__).parents[2] / "build")) / "bin" / NAME
    if not found.exists():
        print(f"{NAME} is not built: no shares of measured peaks", file=sys.stderr)
        return None
    done = subprocess.run([found], capture_output=True, text=True)
    if done.returncode:
        print(f"{NAME} failed: {done.stderr.strip()[:300]}", file=sys.stderr)
        return None
    return json.loads(done.stdout)


def product_row(gemm, peaks):
    """One with a must and an aim, but for products by vectors where tiles are faster: those are there to compare."""
    note = f"{gemm['flops'] / 1e9:.0f} GF/s; {gemm['share_at_clock']:.0%} of the peak at the clock that the product leaves"
    if gemm["form"] == "f32":
        note += "; of the peak of f32 multiply-adds: above 100 % by bf16 tiles in three parts, as exact"
    constants = (peaks.get("bf16_flops_of_constants") or {}).get(str(gemm["threads"]))
    if gemm["form"] == "bf16" and constants:
        note += f"; {gemm['flops'] / constants:.0%} of what tiles that never change give"
    name = f"GEMM {gemm['n']} {gemm['form']}, {gemm['threads']} threads"
    return bars.row("roofline", name, gemm["share"], "share", bars.GEMM_SHARE.get(gemm["form"]), higher=True, note=note)


def rows(threads):
    peaks = micro_benchmark()
    if not peaks:
        return [bars.row("roofline", "measured peaks", None, "share", bars.TRIAD_SHARE, higher=True, note=f"{NAME} gave none")]
    found = [product_row(g, peaks["peaks"]) for g in peaks["gemm"]]
    bandwidth = p.measure({"task": "bandwidth", "library": "tinyfin", "threads": threads})
    triad = peaks["peaks"]["triad_bytes"]
    triad = triad[str(threads)] if isinstance(triad, dict) else triad
    for name, rate in (bandwidth or {}).items():
        found.append(bars.row("roofline", f"{name}, DRAM-size", rate / triad, "share", bars.TRIAD_SHARE, higher=True,
                              note=f"{rate / 1e9:.1f} of {triad / 1e9:.1f} GB/s"))
    return found
