# SPDX-License-Identifier: Apache-2.0
"""Rows about memory, about a core that is taken away, and about the time to compile."""
import bars
import peers as p

COLD_RUNS = 3
LAYERS = (6, 24)


def memory_rows(name, peers, threads):
    """Bytes at the peak of a step, beyond import and model, against eager PyTorch (the least over its optimizers and layouts)."""
    results = {}
    for peer in ("tinyfin", *(peer for peer in peers if peer == "torch")):
        settings = [({"threads": threads}, {})]
        if peer == "torch":
            settings = [(request, environment) for request, environment in p.eager_settings(name, threads) if environment["OMP_WAIT_POLICY"] == "PASSIVE"]
        base = {"task": "memory", "workload": name, "dtype": "f32", "library": peer}
        found = [(p.measure({**base, **request}, environment), p.words(request, environment)) for request, environment in settings]
        found = [{"value": f["bytes"] / 2**20, "unit": "MiB", "setting": setting} for f, setting in found if f]
        if found:
            results[peer] = min(found, key=lambda r: r["value"])
    label = f"{name} step, peak memory"
    if "tinyfin" not in results or "torch" not in results:
        ours = results.get("tinyfin", {}).get("value")
        return [bars.row("memory", label, ours, "MiB", results=results, note="eager PyTorch was not measured")]
    return [bars.row("memory", label, results["tinyfin"]["value"] / results["torch"]["value"], "x", bars.MEMORY, results=results)]


def stolen_rows(name, peers, threads):
    """How much longer a step takes while another process keeps one of the cores busy."""
    results = {}
    for peer in ("tinyfin", *(peer for peer in peers if peer in ("torch", "jax"))):
        base = {"task": "stolen", "workload": name, "dtype": "f32", "library": peer, "threads": threads, "fused": True}
        policies = p.POLICIES if peer == "torch" else ("PASSIVE",)
        found = [p.measure(base, {"OMP_WAIT_POLICY": policy}) for policy in policies]
        found = [f for f in found if f]
        if found:
            results[peer] = {"value": min(f["ratio"] for f in found), "unit": "x"}
    ours = results.get("tinyfin", {}).get("value")
    return [bars.row("stolen", f"{name} step, one of {threads} cores busy", ours, "x", bars.STOLEN, results=results)]


def cold(name, threads, dtype="f32"):
    """The fresh process whose first call, less a steady one, is the median; None if none succeeded."""
    found = [p.measure({"task": "cold", "library": "tinyfin", "workload": name, "dtype": dtype, "threads": threads}) for _ in range(COLD_RUNS)]
    found = sorted((f for f in found if f), key=lambda f: f["seconds"])
    return found[len(found) // 2] if found else None


def compile_rows(names, peers, threads):
    """Seconds to compile a whole step; with the compiler's own account of them as a note."""
    rows = []
    for name in names:
        ours = cold(name, threads)
        seconds, results = (ours["seconds"], {"tinyfin": {"value": ours["seconds"], "unit": "s"}}) if ours else (None, {})
        if "torch.compile" in peers:
            request = {"task": "cold", "library": "torch", "workload": name, "dtype": "f32", "threads": threads, "mode": "compile", "fused": True}
            theirs = p.measure(request, {"TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"})
            if theirs:
                results["torch.compile"] = {"value": theirs["seconds"], "unit": "s", "setting": "no caches"}
        rows.append(bars.row("compile", f"{name} step, cold compile", seconds, "s", bars.COLD_COMPILE.get(name), note=account(ours), results=results))
    return rows


def account(found):
    """Where the compiler says the time went, longest first."""
    if not found:
        return ""
    parts = sorted(found["split"].items(), key=lambda part: -part[1])
    said = ", ".join(f"{name} {ms:.0f}" for name, ms in parts if ms >= 1)
    return f"compile {found['compile_ms']:.0f} ms ({said}), {found['new_kernels']} kernels made for {found['kernels']}"


def layer_rows(threads):
    """What the compiler takes for 24 layers of GPT, to what it takes for 6."""
    found = [cold(f"gpt-mini-L{layers}", threads) for layers in LAYERS]
    ratio = found[1]["compile_ms"] / found[0]["compile_ms"] if all(found) else None
    results = {f"{layers} layers": {"value": f["compile_ms"] / 1e3, "unit": "s", "setting": f"first call {f['seconds']:.2f} s longer than steady"}
               for layers, f in zip(LAYERS, found) if f}
    return [bars.row("compile", f"compile of {LAYERS[1]} layers / {LAYERS[0]}", ratio, "x", bars.LAYERS, results=results)]
