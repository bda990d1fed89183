# SPDX-License-Identifier: Apache-2.0
"""The results as text, Markdown and JSON, and the machine they come from."""
import importlib.metadata
import json
import os
import pathlib
import platform

import bars

FEATURES = ("avx2", "avx512f", "avx512_bf16", "avx512_fp16", "avx512_vnni", "amx_bf16", "amx_int8", "asimd", "sve")
PACKAGES = ("torch", "jax", "onnxruntime", "openvino", "numpy")
SECTIONS = {"steps": "Training steps and inference", "compile": "Compile time", "memory": "Peak memory of a training step", "stolen": "One core busy",
            "roofline": "Shares of measured peaks", "other": "Other figures"}


def duration(seconds):
    for unit, scale in (("s", 1), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def figure(value, unit):
    if value is None:
        return "failed"
    if unit == "s":
        return duration(value)
    if unit == "share":
        return f"{100 * value:.0f} %"
    return f"{value:.2f}x" if unit == "x" else f"{value:.3g} {unit}"


def limit(r, key):
    return ("" if r[key] is None else (">= " if r["higher"] else "<= ") + figure(r[key], r["unit"]))


def each(r):
    """What every library took: 'tinyfin jit 1.02 ms; torch 1.6 ms (eager fused 4 threads)'."""
    said = []
    for library, result in r["results"].items():
        setting = result.get("setting", "")
        said.append(f"{library} {figure(result['value'], result['unit'])}" + (f" ({setting})" if setting and not library.startswith("tinyfin") else ""))
    return "; ".join([*said, *([r["note"]] if r["note"] else [])])


def print_rows(rows):
    for r in rows:
        must, aim = bars.marks(r)
        bar = f"must {limit(r, 'must')} {must:5}  aim {limit(r, 'aim')} {aim}" if must else ""
        print(f"{r['name']:34} {figure(r['value'], r['unit']):>9}  {bar:42} {each(r)}", flush=True)


def machine():
    """What the figures depend on, without names of hosts."""
    flags, memory = set(), ""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        flags = set(next(line for line in lines if line.startswith(("flags", "Features"))).split(":")[1].split())
        memory = f"{int(pathlib.Path('/proc/meminfo').read_text().split()[1]) / 2**20:.0f} GiB"
    except (OSError, StopIteration, ValueError):
        pass
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            pass
    return {"architecture": platform.machine(), "cores": len(os.sched_getaffinity(0)), "features": [f for f in FEATURES if f in flags],
            "memory": memory, "python": platform.python_version(), "versions": versions}


def verdict(rows):
    below = [r for r in rows if r["met"] is False]
    barred = sum(r["must"] is not None for r in rows)
    return f"{barred - len(below)} of {barred} musts are met, {sum(bool(r['aimed']) for r in rows)} of the aims" + \
        (": below are " + ", ".join(r["name"] for r in below) if below else "")


def markdown(rows, threads):
    about = machine()
    lines = ["# Benchmarks", "",
             "Written by `tools/bench --all --markdown docs/benchmarks.md`; not edited by hand. Every figure is the lower of two medians from processes of their own,",
             "libraries in turns, each peer at the best of its settings. Losses (or embeddings) are compared with the other libraries' in the same run.", "",
             f"Machine: {about['architecture']}, {about['cores']} cores, {', '.join(about['features'])}, {about['memory']} memory; {threads} threads. "
             f"Python {about['python']}, " + ", ".join(f"{name} {version}" for name, version in about["versions"].items()) + ".", "", verdict(rows) + "."]
    for section, title in SECTIONS.items():
        found = [r for r in rows if r["section"] == section]
        if found:
            lines += ["", f"## {title}", "", "| figure | value | must | aim | of each |", "|---|---|---|---|---|"]
            for r in found:
                must, aim = bars.marks(r)
                lines.append(f"| {r['name']} | {figure(r['value'], r['unit'])} | {limit(r, 'must')} {must} | {limit(r, 'aim')} {aim} | {each(r)} |")
    return "\n".join(lines) + "\n"


def write_json(path, rows, threads):
    pathlib.Path(path).write_text(json.dumps({"machine": machine(), "threads": threads, "rows": rows}, indent=1) + "\n")
