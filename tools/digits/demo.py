#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains a network on scikit-learn's digits in three modes, exports it, compiles it to a C library, and compares C with Python.

usage: tools/demo [OUT]    artifacts go to OUT (default demo-out/). Exits 1 if a check fails.
"""
import pathlib
import statistics
import sys
import time

import deploy
import numpy as np
from model import BATCH, EPOCHS, Training, accuracy, load_data, torch_step

import tinyfin as fin
from tinyfin import _core

MODES = ("immediate", "deferred", "jit")
STARTED = time.perf_counter()


def say(text):
    print(f"[{time.perf_counter() - STARTED:5.1f} s] {text}", flush=True)


def median_ms(step, count, budget=3.0):
    """Of at most `count` steps and `budget` seconds."""
    times, begin = [], time.perf_counter()
    while len(times) < count and time.perf_counter() - begin < budget:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3


def run_mode(mode, images, labels):
    """(losses of one epoch, what it did to the cache, the training, its step)."""
    before = fin.cache_info()
    training = Training(images, labels)
    step = fin.jit(training.step) if mode == "jit" else training.step
    with fin.eager_mode("immediate" if mode == "immediate" else "deferred"):
        losses = training.epoch(step)
        after = fin.cache_info()
        return losses, {name: after[name] - before[name] for name in ("hits", "misses")}, training, step


def warm_step_time(mode, images, labels):
    """Milliseconds of one step on one whole batch, its loss observed, after everything is compiled."""
    training = Training(images, labels)
    step = fin.jit(training.step) if mode == "jit" else training.step
    x, y = fin.from_numpy(images[:BATCH]), fin.from_numpy(labels[:BATCH])
    with fin.eager_mode("immediate" if mode == "immediate" else "deferred"):
        for _ in range(4):
            step(x, y).item()
        _core.wait_for_compiles()
        for _ in range(4):
            step(x, y).item()
        return median_ms(lambda: step(x, y).item(), 30)


def compare_modes(train):
    """Trains one epoch in each mode; the losses must agree. Returns step times, cache figures and the jitted training."""
    losses, times, cache = {}, {}, {}
    for mode in MODES:
        losses[mode], cache[mode], training, step = run_mode(mode, *train)
        times[mode] = warm_step_time(mode, *train)
        say(f"one epoch {mode:9}  first loss {losses[mode][0]:.6f}  last loss {losses[mode][-1]:.6f}  {times[mode]:.2f} ms a step")
    for mode in MODES[1:]:
        difference = max(abs(a - b) / max(1, abs(a)) for a, b in zip(losses["immediate"], losses[mode]))
        say(f"losses of {mode} and immediate differ by {difference:.1e}")
        if difference > 1e-3:
            sys.exit(f"losses differ by {difference}, wanted at most 1e-3")
    return times, cache, training, step


def train_to_the_end(training, step, test):
    start = time.perf_counter()
    for epoch in range(1, EPOCHS):
        losses = training.epoch(step)
        if epoch % 4 == 0 or epoch == EPOCHS - 1:
            say(f"epoch {epoch + 1:2}  loss {np.mean(losses):.4f}  accuracy {accuracy(training.model, *test)[0]:.4f}")
    return time.perf_counter() - start


def cache_figures(step, deferred):
    """Rows about the jitted step's graphs and about the deferred epoch's lookups."""
    graphs = step.explain()
    calls = step.cache_info()
    rows = {"compile time, jit": " + ".join(f"{g['compile_ms']:.0f}" for g in graphs) + " ms (one graph a batch size)",
            "interpreted ops, jit": " + ".join(f"{g['interpreted_ops']} of {g['ops']}" for g in graphs),
            "calls without Python, jit": f"{calls['hits']}",
            "cache hits / misses, deferred": f"{deferred['hits']} / {deferred['misses']}"}
    for reason in sorted({reason for g in graphs for reason in g["refusals"]}):
        say(f"runs by its eager kernel: {reason}")
    return rows


def table(rows):
    width = max(map(len, rows))
    print("\n" + "\n".join(f"  {name:{width}}  {value}" for name, value in rows.items()) + "\n", flush=True)


def main():
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "demo-out").resolve()
    out.mkdir(parents=True, exist_ok=True)
    train, test = load_data()
    say(f"{len(train[1])} training and {len(test[1])} test images; batches of {BATCH}, the last of {len(train[1]) % BATCH}")
    times, cache, training, step = compare_modes(train)
    seconds = train_to_the_end(training, step, test)
    share, logits = accuracy(training.model, *test)
    if share < 0.97:
        sys.exit(f"accuracy is {share:.4f}, wanted at least 0.97")
    fin.save(training.model.state_dict(), out / "digits.safetensors")

    peer = torch_step(*train)
    rows = {f"step, {mode}": f"{times[mode]:.2f} ms" for mode in MODES}
    rows["step, PyTorch eager"] = f"{(peer(), peer(), median_ms(peer, 30))[2]:.2f} ms" if peer else "not installed"
    rows["training, jit"] = f"{seconds:.1f} s for {EPOCHS - 1} epochs"
    rows.update(cache_figures(step, cache["deferred"]))

    agreed, c_share, size = deploy.run(training.model, test, logits, out, say)
    rows.update({"library": f"{size / 1024:.0f} KiB", "accuracy in Python": f"{share:.4f}", "accuracy in C": f"{c_share:.4f}"})
    table(rows)
    print(f"C and Python agree on {agreed}/{len(test[1])} images")
    sys.exit(0 if agreed == len(test[1]) else 1)


if __name__ == "__main__":
    main()
