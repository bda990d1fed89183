# SPDX-License-Identifier: Apache-2.0
"""A steady training step asks the system for no memory, copies nothing, updates its state in place and can be interrupted."""

import numpy as np
import pytest
from processes import run_python
import tinyfin as fin
from tinyfin import nn, optim
from tinyfin.nn import functional as F


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.norm = heads, nn.LayerNorm(width)
        self.qkv, self.project = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.grow, self.shrink = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        batch, length, width = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        mixed = ((q @ k.transpose(-2, -1)) * 0.25).softmax(-1) @ v
        x = x + self.project(mixed.transpose(1, 2).reshape(batch, length, width))
        return x + self.shrink(F.gelu(self.grow(x)))


class Transformer(nn.Module):
    def __init__(self, layers=2, width=64):
        super().__init__()
        self.tokens, self.head = nn.Embedding(50, width), nn.Linear(width, 50)
        self.blocks = nn.Sequential(*[Attention(width, 4) for _ in range(layers)])

    def forward(self, tokens):
        return self.head(self.blocks(self.tokens(tokens))).reshape(-1, 50)


def data(shape):
    return fin.from_numpy(np.random.default_rng(0).standard_normal(shape).astype("float32"))


def classes(count, of):
    return fin.from_numpy(np.random.default_rng(1).integers(0, of, count))


def mlp():
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10)), data((32, 64)), classes(32, 10), optim.AdamW


def transformer():
    return Transformer(), fin.from_numpy(np.random.default_rng(0).integers(0, 50, (4, 32))), classes(128, 50), optim.AdamW


def cnn():
    model = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(),
                          nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1024, 10))
    return model, data((8, 3, 16, 16)), classes(8, 10), lambda parameters, lr: optim.SGD(parameters, lr=lr, momentum=0.9)


def jitted_step(make):
    model, x, y, optimizer_of = make()
    optimizer = optimizer_of(model.parameters(), lr=1e-3)

    @fin.jit
    def step():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss
    return step, model


@pytest.fixture
def compiled_only():
    """No call is the interpreter's, to compare times."""
    fin._core.set_config("TINYFIN_NEVER_SLOWER", "0")
    yield
    fin._core.set_config("TINYFIN_NEVER_SLOWER", "1")


@pytest.mark.parametrize("make", [mlp, transformer, cnn])
def test_a_steady_step_allocates_and_copies_nothing(make, compiled_only):
    step, model = jitted_step(make)
    for _ in range(4):
        step().item()
    (record,) = step.explain()
    assert record["verified"] and record["not_compiled"] == "" and record["interpreted_ops"] == 0
    before = fin._core.memory_stats()
    with fin.profile() as p:
        for _ in range(3):
            step().item()
    after = fin._core.memory_stats()
    assert after["system_allocations"] == before["system_allocations"]
    # From the pool: the arena, the loss, the count of steps, and new memory for vectors whose update is one kernel with their gradient's sum.
    # Matrices and their optimizer's state are updated where they are.
    vectors = [p for p in [*model.parameters(), *model.buffers()] if p.ndim < 2]
    assert after["allocations"] - before["allocations"] <= 3 * (3 + 3 * len(vectors))
    assert after["live_bytes"] == before["live_bytes"]
    assert "copy" not in {row["name"] for row in p.rows()}


def deep_mlp():
    return nn.Sequential(*[nn.Linear(256, 256) for _ in range(4)]), data((64, 256)), classes(64, 256), optim.AdamW


def live_bytes(disabled):
    """Of a deep step, compiled anew without some passes."""
    fin.cache_clear()
    fin._core.set_config("TINYFIN_DISABLE", disabled)
    try:
        fin.manual_seed(0)
        step, _ = jitted_step(deep_mlp)
        losses = [step().item() for _ in range(4)]
        return step.explain()[0]["max_live_bytes"], losses
    finally:
        fin._core.set_config("TINYFIN_DISABLE", "")


def test_gradients_do_not_wait_for_the_end():
    ordered, losses = live_bytes("recompute")
    unordered, same = live_bytes("recompute,order-ops")
    assert ordered < 0.75 * unordered
    assert losses == same


INTERRUPTED = """
import os, signal, threading, time
import tinyfin as fin
signal.signal(signal.SIGINT, signal.default_int_handler)  # shells let background jobs ignore it
w = fin.randn(512, 512) * 0.04
@fin.jit
def chain(x):
    for _ in range(400):
        x = (x @ w).tanh()
    return x
x = fin.randn(512, 512)
for _ in range(3):
    start = time.perf_counter()
    whole = chain(x).numpy()
    seconds = time.perf_counter() - start
threading.Timer(0.1 * seconds, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    chain(x).numpy()
    print("came to its end")
except KeyboardInterrupt:
    print("interrupted")
print((chain(x).numpy() == whole).all())
"""


def test_a_jitted_call_can_be_interrupted():
    done = run_python(INTERRUPTED)
    assert done.stdout.split("\n")[:2] == ["interrupted", "True"]
