#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures one thing with one library in this process and prints one JSON line. Run by peers.py, which sets the environment.

usage: measure.py REQUEST, a JSON object: library, task, workload, dtype (f32 or bf16), threads, and the library's own settings.
"""
import importlib
import json
import os
import statistics
import subprocess
import sys
import time

import workloads as w


def median_time(run, finish, budget, per_round=20):
    """Median over rounds of the seconds one run() takes; each round of runs ends with finish(). At most 4 budgets long."""
    begin = time.perf_counter()
    run()
    finish()
    per_round = max(1, min(per_round, int(budget / 7 / (time.perf_counter() - begin))))
    times, start = [], time.perf_counter()
    while time.perf_counter() - start < budget or (len(times) < 7 and time.perf_counter() - start < 4 * budget):
        begin = time.perf_counter()
        for _ in range(per_round):
            run()
        finish()
        times.append((time.perf_counter() - begin) / per_round)
    return statistics.median(times)


def warmed(library, request):
    """(what to run, its first results, seconds of its first call), after enough calls that everything is compiled."""
    built = library.build(request)
    begin = time.perf_counter()
    results = [built.value(built.run()).ravel()]
    built.finish()
    first = time.perf_counter() - begin
    results += [built.value(built.run()).ravel() for _ in range(w.checked_steps(request["workload"]) - 1)]
    built.settle()
    begin = time.perf_counter()
    for _ in range(5):
        built.value(built.run())
        if time.perf_counter() - begin > 1:
            break
    return built, results, first


def timed(library, request):
    """Median seconds of a step, its first losses (or the sums of the first embedding), seconds of the first call."""
    built, results, first = warmed(library, request)
    found = {"seconds": median_time(built.run, built.finish, request.get("budget", 1.5)), "first_call": first}
    found["losses"] = [float(r[0]) for r in results] if len(results[0]) == 1 else [float(x) for x in results[0][:8]]
    graphs = built.explain()
    found["interpreted_ops"] = sum(graph["interpreted_ops"] for graph in graphs)
    found["demoted"] = [graph["demoted"] for graph in graphs if graph.get("demoted")]
    built.close()
    return found


def stolen(library, request):
    """How much longer a step takes while another process keeps one of our cores busy."""
    built, _, _ = warmed(library, request)
    quiet = median_time(built.run, built.finish, request.get("budget", 1.5))
    core = max(os.sched_getaffinity(0))
    spin = f"import os\nos.sched_setaffinity(0, {{{core}}})\nprint(flush=True)\nwhile True: pass"
    thief = subprocess.Popen([sys.executable, "-c", spin], stdout=subprocess.PIPE)
    try:
        thief.stdout.readline()
        busy = median_time(built.run, built.finish, 2 * request.get("budget", 1.5))
    finally:
        thief.kill()
        thief.wait()
    return {"seconds": busy, "quiet": quiet, "ratio": busy / quiet}


def cold(library, request):
    """Seconds of the first call less a steady one: what recording and compiling take; and the compiler's own account of the step's graph."""
    built, _, first = warmed(library, request)
    steady = median_time(built.run, built.finish, 0.4)
    graph = (built.explain() or [{}])[0]
    split = {**graph.get("compile_times", {}), **{f"{stage} (all threads)": ms for stage, ms in graph.get("kernel_times", {}).items()}}
    return {"seconds": first - steady, "split": split, **{key: graph.get(key, 0) for key in ("compile_ms", "kernels", "new_kernels")}}


def memory_of(field):
    for line in open("/proc/self/status"):
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {field}")


def memory(library, request):
    """Bytes that training adds at its peak to what the process had after import and making the model.

    Anonymous memory only: the peak of resident memory (reset after the first steps) less the pages of files, which are mostly code.
    Optimizer state and gradients count, in all libraries."""
    model = library.model_of(request["workload"])
    before = memory_of("RssAnon")
    built = library.build(request, model)
    for _ in range(4):
        built.value(built.run())
    built.settle()
    built.value(built.run())
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak starts again here
    for _ in range(4):
        built.value(built.run())
    return {"bytes": memory_of("VmHWM") - memory_of("RssFile") - memory_of("RssShmem") - before}


def elementwise_op(library, request):
    built = library.elementwise_op(request)
    for _ in range(4):
        built.run()
    built.settle()
    return {"seconds": median_time(built.run, built.finish, request.get("budget", 1.5), per_round=5) / 1000, "losses": [float(built.value(built.run())[0])]}


def import_time(_, request):
    begin = time.perf_counter()
    __import__(request["library"])
    return {"seconds": time.perf_counter() - begin}


def bandwidth(_, request):
    """Bytes a second of tinyfin's memory-bound kernels."""
    import bandwidth as kernels
    return kernels.measure(median_time)


TASKS = {"bandwidth": bandwidth, "time": timed, "stolen": stolen, "memory": memory, "cold": cold, "op": elementwise_op, "import": import_time}


def main():
    request = json.loads(sys.argv[1])
    library = None if request["task"] in ("import", "bandwidth") else importlib.import_module("with_" + request["library"])
    print(json.dumps(TASKS[request["task"]](library, request)))


if __name__ == "__main__":
    main()
