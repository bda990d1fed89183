# SPDX-License-Identifier: Apache-2.0
"""Kernels that memory bounds, over data that no cache holds: jitted tinyfin functions and the bytes they must move (inputs once, outputs once)."""
import numpy as np

import tinyfin as fin
from tinyfin.nn import functional as F

ROWS, COLUMNS = 16384, 2048   # 128 MiB of f32
LOGITS = (2048, 30522)
PARAMETERS = (8, 1024, 1024)  # several tensors, 32 MiB in all


def _random(*shape):
    return fin.from_numpy(np.random.default_rng(0).standard_normal(shape, dtype="float32"))


def _adam():
    """All seven streams: parameter, gradient and both moments read, three of them written."""
    parameters = [fin.nn.Parameter(_random(*PARAMETERS)) for _ in range(4)]
    for parameter in parameters:
        parameter.grad = _random(*PARAMETERS)
    update = fin.optim.Adam(parameters, lr=1e-6)

    @fin.jit
    def step():
        update.step()
    return step, 7 * 4 * sum(p.numel() for p in parameters)


def cases():
    """Name -> (function without arguments, bytes)."""
    size = 4 * ROWS * COLUMNS
    x, s, b = _random(ROWS, COLUMNS), _random(COLUMNS), _random(COLUMNS)
    labels = fin.from_numpy(np.random.default_rng(1).integers(0, LOGITS[1], LOGITS[0]))
    chain = fin.jit(lambda x, s, b: F.gelu(x + b) * s + x)
    softmax = fin.jit(lambda x: F.softmax(x, -1))
    norm = fin.jit(lambda x, s, b: F.layer_norm(x, (COLUMNS,), s, b))
    yield "gelu(x + b) * s + x", lambda: chain(x, s, b), 2 * size
    yield "softmax", lambda: softmax(x), 2 * size
    yield "layer norm", lambda: norm(x, s, b), 2 * size
    del x
    logits = _random(*LOGITS)
    loss = fin.jit(F.cross_entropy)
    yield "cross entropy", lambda: loss(logits, labels), 4 * LOGITS[0] * LOGITS[1]
    del logits
    step, moved = _adam()
    yield "Adam", step, moved


def measure(median_time):
    """Name -> bytes a second."""
    found = {}
    with fin.no_grad():
        for name, run, moved in cases():
            for _ in range(4):
                run()
            fin.sync()
            found[name] = moved / median_time(run, fin.sync, 1.0, per_round=3)
    return found
