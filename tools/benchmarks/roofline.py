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


def rows(threads):
    peaks = micro_benchmark()
    if not peaks:
        return [bars.row("roofline", "measured peaks", None, "share", bars.TRIAD_SHARE, higher=True, note=f"{NAME} gave none")]
    found = [bars.row("roofline", f"GEMM {g['n']} {g['dtype']}, {g['threads']} threads", g["share"], "share", bars.GEMM_SHARE[g["dtype"]], higher=True,
                      note=f"{g['flops'] / 1e9:.0f} GF/s; {g['share_at_clock']:.0%} of the peak at the clock that the product leaves") for g in peaks["gemm"] if g["n"] == 1024 and g["share"] is not None]
    bandwidth = p.measure({"task": "bandwidth", "library": "tinyfin", "threads": threads})
    triad = peaks["peaks"]["triad_bytes"]
    triad = triad[str(threads)] if isinstance(triad, dict) else triad
    for name, rate in (bandwidth or {}).items():
        found.append(bars.row("roofline", f"{name}, DRAM-size", rate / triad, "share", bars.TRIAD_SHARE, higher=True,
                              note=f"{rate / 1e9:.1f} of {triad / 1e9:.1f} GB/s"))
    return found
