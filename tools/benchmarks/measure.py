#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures one workload with one library in this process and prints one JSON line. Run by bench.py, which sets the environment.

usage: measure.py LIBRARY MODE WORKLOAD OPTIMIZER THREADS
"""
import json
import sys
import time
import types

import workloads as w

OPS, ELEMENTS = 1000, 16


def load_tinyfin():
    import tinyfin as fin
    return types.SimpleNamespace(fin=fin, nn=fin.nn, optim=fin.optim, tensor_of=fin.from_numpy)


def tinyfin_training(mode, name, optimizer):
    library = load_tinyfin()
    fin = library.fin
    step = w.trainer(library, name, optimizer)
    if mode == "jit":
        step = fin.jit(step)
    with fin.eager_mode("immediate" if mode == "immediate" else "deferred"):
        start = time.perf_counter()
        losses = [step().item()]
        first = time.perf_counter() - start
        losses += [step().item() for _ in range(w.CHECKED_STEPS - 1)]
        fin._core.wait_for_compiles()
        for _ in range(5):
            step().item()
        seconds = w.median_time(step, fin.sync)
    # Of the step's own graph: the jitted one, or the one that ran most often.
    graphs = step.explain() if mode == "jit" else sorted(fin.explain(), key=lambda g: g["seen"])[-1:]
    return {"seconds": seconds, "losses": losses, "first_call": first, "interpreted_ops": sum(g["interpreted_ops"] for g in graphs)}


def tinyfin_eager_op(mode):
    fin = load_tinyfin().fin
    x = fin.full((ELEMENTS,), 1.0001)

    def run():
        y = x
        for _ in range(OPS):
            y = y * x
        return y
    with fin.no_grad():
        for _ in range(4):
            run().numpy()
        fin._core.wait_for_compiles()
        seconds = w.median_time(lambda: run().numpy(), lambda: None, per_round=5)
        return {"seconds": seconds / OPS, "losses": [float(run().numpy()[0])]}


def load_torch(threads):
    import torch
    torch.set_num_threads(threads)
    return types.SimpleNamespace(torch=torch, nn=torch.nn, optim=torch.optim, tensor_of=torch.from_numpy)


def torch_training(mode, name, optimizer, threads):
    library = load_torch(threads)
    step = w.trainer(library, name, optimizer, **({"fused": True} if "fused" in mode else {}))
    if "compile" in mode:
        step = library.torch.compile(step)
    losses = [step().item() for _ in range(w.CHECKED_STEPS)]
    for _ in range(5):
        step()
    return {"seconds": w.median_time(step, lambda: None), "losses": losses}


def torch_eager_op(threads):
    torch = load_torch(threads).torch
    x = torch.full((ELEMENTS,), 1.0001)

    def run():
        y = x
        for _ in range(OPS):
            y = y * x
        return y
    with torch.no_grad():
        run()
        return {"seconds": w.median_time(lambda: run().numpy(), lambda: None, per_round=5) / OPS, "losses": [float(run()[0])]}


def jax_training(name, optimizer):
    import jax
    import jax.numpy as jnp

    if optimizer != "sgd":
        raise SystemExit("the JAX peer has only sgd")

    def forward(params, x):
        layers = list(params)
        if name == "lenet5":
            for weight, bias in layers[:2]:
                x = jax.nn.relu(jax.lax.conv_general_dilated(x, weight, (1, 1), "VALID") + bias[None, :, None, None])
                x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
            x, layers = x.reshape(x.shape[0], -1), layers[2:]
        for i, (weight, bias) in enumerate(layers):
            x = x @ weight.T + bias
            x = jax.nn.relu(x) if i < len(layers) - 1 else x
        return x

    def loss_of(params, x, y):
        return -jnp.take_along_axis(jax.nn.log_softmax(forward(params, x)), y[:, None], 1).mean()

    def update(params, velocity, x, y):
        loss, grads = jax.value_and_grad(loss_of)(params, x, y)
        velocity = jax.tree.map(lambda v, g: w.MOMENTUM * v + g, velocity, grads)
        return jax.tree.map(lambda p, v: p - w.RATE * v, params, velocity), velocity, loss

    update = jax.jit(update, donate_argnums=(0, 1))
    x, y = map(jnp.asarray, w.batch_of(name))
    state = [jax.tree.map(jnp.asarray, w.weights_of(name))]
    state.append(jax.tree.map(jnp.zeros_like, state[0]))

    def step():
        state[0], state[1], loss = update(*state, x, y)
        return loss
    losses = [float(step()) for _ in range(w.CHECKED_STEPS)]
    return {"seconds": w.median_time(step, lambda: jax.block_until_ready(state[0])), "losses": losses}


def import_time(library):
    start = time.perf_counter()
    __import__(library)
    return {"seconds": time.perf_counter() - start, "losses": []}


def measure(library, mode, name, optimizer, threads):
    if name == "import":
        return import_time(library)
    if library == "tinyfin":
        return tinyfin_eager_op(mode) if name == "eager-op" else tinyfin_training(mode, name, optimizer)
    if library == "torch":
        return torch_eager_op(threads) if name == "eager-op" else torch_training(mode, name, optimizer, threads)
    return jax_training(name, optimizer)


if __name__ == "__main__":
    library, mode, name, optimizer, threads = sys.argv[1:]
    print(json.dumps(measure(library, mode, name, optimizer, int(threads))))
