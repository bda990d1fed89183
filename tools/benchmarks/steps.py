# SPDX-License-Identifier: Apache-2.0
"""Rows about how long a step or an inference takes, and about what surrounds it: an eager op, the import."""
import statistics

import bars
import peers as p
import workloads as w

TOLERANCE = {"f32": 1e-3, "bf16": 2e-2}  # of losses, relative above 1; of embeddings likewise


def disagreement(results, dtype):
    """What to say if tinyfin's losses or embeddings are not the peers' (torch's where it is there); None if they are."""
    ours = [(library, r) for library, r in results.items() if library.startswith("tinyfin")]
    reference = results.get("torch") or next((r for library, r in results.items() if not library.startswith("tinyfin")), None)
    for library, result in ours if reference else []:
        for i, (a, b) in enumerate(zip(result["losses"], reference["losses"])):
            if not abs(a - b) <= TOLERANCE[dtype] * max(1, abs(b)):
                return f"{library} differs from the peers: {a:.5f} vs {b:.5f} at {i}"
    return None


def shown(results):
    return {library: {"value": r["seconds"], "unit": "s", "setting": r["setting"]} for library, r in results.items()}


def ratio_rows(label, results, ours, checks, dtype, section="steps"):
    """A row for each (against whom, must, aim)."""
    rows, wrong = [], disagreement(results, dtype)
    others = {library: r for library, r in results.items() if not library.startswith("tinyfin")}
    for against, must, aim in checks:
        rivals = others if against == bars.BEST else {k: r for k, r in others.items() if k.split(".")[0] == against.split(".")[0]}
        mine, value, note = results.get(ours), None, wrong or ""
        if mine and mine.get("demoted"):
            wrong = note = f"runs as eager code: {mine['demoted'][0]}"
        if mine and mine.get("interpreted_ops"):
            note += f" {mine['interpreted_ops']} ops interpreted"
        if mine and not rivals:
            rows.append(bars.row(section, label, mine["seconds"], "s", note=f"no peer was measured. {note}", results=shown(results)))
            continue
        if mine and not wrong:
            value = min(r["seconds"] for r in rivals.values()) / mine["seconds"]
        name = label if against == bars.BEST else f"{label} vs {against}"
        rows.append(bars.row(section, name, value, "x", (must, aim), higher=True, note=note.strip(), results=shown(results)))
    return rows


def training_rows(name, dtype, peers, threads):
    modes = ("jit", "deferred") if name in w.SMALL and dtype == "f32" else ("jit",)
    results = p.contest(name, dtype, [peer for peer in peers if peer in p.TRAINING_PEERS], threads, modes=modes)
    rows = ratio_rows(f"{name} step {dtype}", results, "tinyfin jit", bars.STEPS[name, dtype], dtype)
    if "deferred" in modes and "torch" in results:
        kept = {k: r for k, r in results.items() if k in ("torch", "tinyfin deferred")}
        rows += ratio_rows(f"{name} step {dtype} without jit", kept, "tinyfin deferred", [(bars.BEST, *bars.DEFERRED)], dtype, "other")
    return rows


def inference_rows(name, dtype, peers, threads):
    results = p.contest(name, dtype, [peer for peer in peers if peer in p.INFERENCE_PEERS], threads)
    return ratio_rows(f"{name} {dtype}", results, "tinyfin jit", bars.STEPS[name, dtype], dtype)


def eager_op_rows(peers, threads):
    """One elementwise op on 16 numbers, in a chain of 1,000."""
    base = {"task": "op", "workload": "tiny-mlp", "dtype": "f32"}
    contenders = [p.Contender(peer, base, [({"threads": 1}, {})]) for peer in peers if peer == "torch"] + [p.Contender("tinyfin", base, [({"threads": threads}, {})])]
    for contender in contenders:
        contender.probe()
        contender.run()
    results = {c.library: c.result for c in contenders if c.result}
    seconds = results["tinyfin"]["seconds"] if "tinyfin" in results else None
    return [bars.row("other", "eager op", seconds, "s", (bars.EAGER_OP, bars.EAGER_OP / 4), results=shown(results))]


def import_rows(peers, threads):
    results = {}
    for library in ["tinyfin", *(peer for peer in peers if peer in ("torch", "jax"))]:
        found = [p.measure({"task": "import", "library": library, "threads": threads}) for _ in range(3)]
        if all(found):
            results[library] = {"seconds": statistics.median(f["seconds"] for f in found), "setting": ""}
    return [bars.row("other", "import", results.get("tinyfin", {}).get("seconds"), "s", results=shown(results))]
