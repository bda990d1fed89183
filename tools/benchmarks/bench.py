#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures tinyfin beside its peers and marks what is below its must.

Each figure is a median from a process of its own. A peer is measured at every setting worth trying (waiting policy of its threads,
number of threads up to ours, fused optimizer) and its best counts. Training workloads must have the same losses in all libraries.
"""
import argparse
import importlib.util
import json
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
TRAINING = ("tiny-mlp", "mlp", "lenet5")
WORKLOADS = (*TRAINING, "eager-op", "import", "cold-compile")
# workload, tinyfin's mode -> at least this many times as fast as eager PyTorch
RATIO_MUSTS = {("tiny-mlp", "jit"): 4.0, ("mlp", "jit"): 1.3, ("lenet5", "jit"): 1.2, **{(name, "deferred"): 1.0 for name in TRAINING}}
# workload -> at most this many seconds
TIME_MUSTS = {"eager-op": 1.2e-6, "cold-compile": 0.5}


def measure(library, mode, name, optimizer, threads, **environment):
    """What measure.py found, or None (with its last words on stderr) if it failed."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "TINYFIN_NUM_THREADS": str(threads), **environment}
    if library == "jax":
        environment["XLA_FLAGS"] = "" if threads > 1 else "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    command = [sys.executable, HERE / "measure.py", library, mode, name, optimizer, str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        print(f"{library} {mode} {name} failed: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    return json.loads(done.stdout.splitlines()[-1])


def best_of(settings, library, name, optimizer):
    """The fastest result over (mode, threads, environment) settings, with the setting."""
    best = None
    for mode, threads, environment in settings:
        found = measure(library, mode, name, optimizer, threads, **environment)
        if found and (best is None or found["seconds"] < best["seconds"]):
            best = {**found, "setting": " ".join([mode, f"{threads} threads", *environment.values()])}
    return best


def peer_settings(peer, name, threads):
    counts = sorted({1, threads})
    if peer == "jax":
        return [("jit", threads, {})]
    modes = ["compile"] if peer == "torch.compile" else ["eager"] if name == "eager-op" else ["eager", "eager fused"]
    return [(mode, count, {"OMP_WAIT_POLICY": policy}) for mode in modes for count in counts for policy in ("ACTIVE", "PASSIVE")]


def row(name, library, found, against=None, mode=None):
    """One line of the table: seconds, the ratio to eager PyTorch, and whether its must is met (None: it has none)."""
    result = {"workload": name, "library": library, "seconds": found["seconds"], "setting": found.get("setting", ""), "ratio": None, "must": None, "met": None}
    if against:
        result["ratio"] = against["seconds"] / found["seconds"]
    must = RATIO_MUSTS.get((name, mode))
    if must and against:
        result.update(must=f">= {must}x", met=result["ratio"] >= must)
    base = name.split()[0]
    if base in TIME_MUSTS and library.startswith("tinyfin"):
        result.update(must=f"<= {show(TIME_MUSTS[base])}", met=found["seconds"] <= TIME_MUSTS[base])
    return result


def losses_agree(a, b):
    return all(abs(x - y) <= 1e-3 * max(1, abs(x)) for x, y in zip(a["losses"], b["losses"]))


def bench_training(name, optimizer, peers, threads):
    found = {peer: best_of(peer_settings(peer, name, threads), peer.split(".")[0], name, optimizer) for peer in peers if not (peer == "jax" and optimizer != "sgd")}
    found = {peer: result for peer, result in found.items() if result}
    torch = found.get("torch")
    label = name if optimizer == "sgd" else f"{name} {optimizer}"
    rows = [row(label, peer, result, torch) for peer, result in found.items()]
    for mode in ("jit", "deferred", "immediate"):
        ours = measure("tinyfin", mode, name, optimizer, threads)
        if not ours:
            rows.append({"workload": label, "library": f"tinyfin {mode}", "seconds": None, "setting": "failed", "ratio": None, "must": "runs", "met": False})
            continue
        ours["setting"] = f"{threads} threads" + (f", {ours['interpreted_ops']} ops interpreted" if ours["interpreted_ops"] else "")
        rows.append(row(label, f"tinyfin {mode}", ours, torch, mode if optimizer == "sgd" else None))
        if torch and not losses_agree(torch, ours):
            rows[-1].update(met=False, must="same losses", setting=f"losses {ours['losses'][-1]:.5f} vs {torch['losses'][-1]:.5f}")
    return rows


def bench_eager_op(peers, threads):
    rows, torch = [], None
    if "torch" in peers:
        torch = best_of(peer_settings("torch", "eager-op", threads), "torch", "eager-op", "sgd")
        rows += [row("eager-op", "torch", torch)] if torch else []
    ours = measure("tinyfin", "deferred", "eager-op", "sgd", threads)
    return rows + ([row("eager-op", "tinyfin", ours, torch)] if ours else [])


def bench_import(peers, threads):
    rows = []
    for library in ["tinyfin", *(p for p in peers if "." not in p)]:
        times = [measure(library, "", "import", "sgd", threads) for _ in range(5)]
        if all(times):
            rows.append(row("import", library, {"seconds": statistics.median(t["seconds"] for t in times)}))
    return rows


def bench_cold_compile(peers, threads):
    """The first call of a jitted training step in a new process: recording, running, compiling."""
    rows = []
    for name in TRAINING:
        times = [measure("tinyfin", "jit", name, "sgd", threads) for _ in range(3)]
        if all(times):
            rows.append(row(f"cold-compile {name}", "tinyfin jit", {"seconds": statistics.median(t["first_call"] for t in times)}))
    return rows


def show(seconds):
    if seconds is None:
        return "-"
    for unit, scale in (("s", 1), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.2f} {unit}"
    return f"{seconds / 1e-9:.0f} ns"


def print_rows(rows):
    for r in rows:
        ratio = f"{r['ratio']:.2f}x" if r["ratio"] else ""
        must = "" if r["must"] is None else f"{r['must']} {'ok' if r['met'] else 'BELOW'}"
        print(f"{r['workload']:22} {r['library']:18} {show(r['seconds']):>10} {ratio:>8}  {must:18} {r['setting']}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", default="tiny-mlp", help=f"comma list of {', '.join(WORKLOADS)} (default tiny-mlp)")
    parser.add_argument("--all", action="store_true", help="all workloads, with both optimizers")
    parser.add_argument("--peers", default="torch", help="comma list of torch, torch.compile, jax; those not installed are left out")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--json", help="also write the rows to this file")
    options = parser.parse_args()
    names = list(WORKLOADS) if options.all else options.workload.split(",")
    unknown = set(names) - set(WORKLOADS)
    if unknown:
        parser.error(f"unknown workload {', '.join(sorted(unknown))}, wanted some of {', '.join(WORKLOADS)}")
    peers = [p for p in options.peers.split(",") if p and importlib.util.find_spec(p.split(".")[0])]
    for missing in sorted(set(filter(None, options.peers.split(","))) - set(peers)):
        print(f"{missing} is not installed and left out", file=sys.stderr)
    benches = {"eager-op": bench_eager_op, "import": bench_import, "cold-compile": bench_cold_compile}
    rows = []
    for name in names:
        if name in benches:
            new = benches[name](peers, options.threads)
        else:
            new = [r for optimizer in (("sgd", "adamw") if options.all else ("sgd",)) for r in bench_training(name, optimizer, peers, options.threads)]
        print_rows(new)
        rows += new
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps({"threads": options.threads, "rows": rows}, indent=1) + "\n")
    below = [r for r in rows if r["met"] is False]
    print(f"{len(below)} of {sum(r['must'] is not None for r in rows)} musts are not met")
    sys.exit(1 if below else 0)


if __name__ == "__main__":
    main()
