# SPDX-License-Identifier: Apache-2.0
"""Runs measure.py in processes of their own, and finds each peer's best settings."""
import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import workloads as w

HERE = pathlib.Path(__file__).resolve().parent
TRAINING_PEERS = ("torch", "torch.compile", "jax")
INFERENCE_PEERS = ("onnxruntime", "openvino", "torch", "torch.compile", "jax")
POLICIES = ("ACTIVE", "PASSIVE")  # what OpenMP's threads do while they wait
LIMIT = 240                       # seconds a measurement may take, compilation included
PROBE, BUDGET, ROUNDS = 0.4, 1.2, 2
CLOSE = 1.3                       # a peer this much slower than the fastest is not measured again


def installed(peers):
    """Those of the peers that can be imported; says on stderr which cannot."""
    found = [peer for peer in peers if importlib.util.find_spec(peer.split(".")[0])]
    for peer in peers:
        if peer not in found:
            print(f"{peer} is not installed and left out", file=sys.stderr)
    return found


def measure(request, environment=None):
    """What measure.py found, or None (with its last words on stderr) if it failed or took too long."""
    threads = str(request["threads"])
    environment = {**os.environ, "OMP_NUM_THREADS": threads, "TINYFIN_NUM_THREADS": threads, **(environment or {})}
    if request["library"] == "jax" and request["threads"] == 1:
        environment["XLA_FLAGS"] = environment.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    label = " ".join(str(request[key]) for key in ("library", "workload", "task") if key in request)
    try:
        done = subprocess.run([sys.executable, HERE / "measure.py", json.dumps(request)], capture_output=True, text=True, env=environment, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        print(f"{label}: stopped after {LIMIT} s and left out", file=sys.stderr)
        return None
    if done.returncode:
        print(f"{label} failed: {(done.stderr.strip().splitlines() or ['no message'])[-1][:300]}", file=sys.stderr)
        return None
    return json.loads(done.stdout.splitlines()[-1])


def words(setting, environment):
    """A setting in words, for the table."""
    said = [str(setting["mode"])] if "mode" in setting else []
    said += [key for key in ("fused", "channels_last") if setting.get(key)]
    return " ".join([*said, f"{setting['threads']} threads", *environment.values()])


def eager_settings(name, threads):
    """Everything worth trying with eager PyTorch: one thread and all for small networks, waiting policy, fused optimizer, layout of images."""
    counts = sorted({1, threads}) if name in w.SMALL or name in w.INFERENCE else [threads]
    fused = [False] if name in w.INFERENCE else [False, True] if name in w.MLPS else [True]
    layouts = [False, True] if name in ("resnet18", "lenet5") else [False]
    return [({"mode": "eager", "threads": count, "fused": f, "channels_last": layout}, {"OMP_WAIT_POLICY": policy})
            for count in counts for f in fused for layout in layouts for policy in POLICIES]


def settings_of(peer, name, threads, eager=None):
    """(request, environment) pairs to try. torch.compile starts from what was best for eager PyTorch, in default mode and with max-autotune."""
    if peer == "torch":
        return eager_settings(name, threads)
    if peer == "torch.compile":
        request, environment = eager or ({"threads": threads, "fused": True, "channels_last": name == "resnet18"}, {"OMP_WAIT_POLICY": "PASSIVE"})
        counts = sorted({request["threads"], threads}) if name in w.SMALL else [threads]
        return [({**request, "mode": mode, "threads": count}, environment) for mode in ("compile", "compile max-autotune") for count in counts]
    if peer == "onnxruntime":
        return [({"mode": mode, "threads": threads}, {}) for mode in ("plain", "fused")]
    return [({"threads": threads}, {})]


class Contender:
    """One library on one workload, at its best setting: probe() finds it, run() measures."""

    def __init__(self, library, base, settings):
        self.library, self.base, self.settings = library, {**base, "library": library.split(".")[0]}, settings
        self.choice, self.result = None, None

    def probe(self):
        """Chooses the best setting; what was measured for that counts until run() finds less."""
        if len(self.settings) == 1:
            self.choice = self.settings[0]
            return
        tried = [(measure({**self.base, **request, "budget": PROBE}, environment), (request, environment)) for request, environment in self.settings]
        tried = [(found["seconds"], i, found, choice) for i, (found, choice) in enumerate(tried) if found]
        if tried:
            _, _, found, self.choice = min(tried)
            self.result = {**found, "setting": words(*self.choice)}

    def run(self):
        """Measures once more; the lower of the medians counts, for every library alike."""
        if self.choice is None:
            return
        found = measure({**self.base, **self.choice[0], "budget": BUDGET}, self.choice[1])
        if found and (self.result is None or found["seconds"] < self.result["seconds"]):
            self.result = {**found, "setting": words(*self.choice)}

    def seconds(self):
        return self.result["seconds"] if self.result else float("inf")


def contest(name, dtype, peers, threads, optimizer=None, modes=("jit",), rounds=ROUNDS):
    """Library -> result of all peers and of tinyfin in these modes ("tinyfin jit"), measured in turns."""
    base = {"task": "time", "workload": name, "dtype": dtype, "optimizer": optimizer}
    contenders, eager = [], None
    for peer in peers:
        contenders.append(Contender(peer, base, settings_of(peer, name, threads, eager)))
        contenders[-1].probe()
        eager = contenders[-1].choice if peer == "torch" else eager
    for mode in modes:
        contenders.append(Contender(f"tinyfin {mode}", {**base, "mode": mode}, [({"mode": mode, "threads": threads}, {})]))
        contenders[-1].base["library"] = "tinyfin"
        contenders[-1].probe()
    rivals = contenders[:len(peers)]
    for _ in range(rounds):
        fastest = min((c.seconds() for c in rivals), default=float("inf"))
        for contender in contenders:
            if contender.result is None or contender not in rivals or contender.seconds() <= CLOSE * fastest:
                contender.run()
    return {c.library: c.result for c in contenders if c.result}
