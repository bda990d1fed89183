# SPDX-License-Identifier: Apache-2.0
"""A whole training step under fin.jit does what the eager loop does, number by number, and what PyTorch does."""
import numpy as np
import pytest
from oracle import rand, torch

import tinyfin as fin
from tinyfin import nn, optim
from tinyfin.nn import functional as F

STEPS = 30
CLASSES = 5


def mlp(p=0.0):
    return nn.Sequential(nn.Linear(12, 24), nn.GELU(), nn.Dropout(p), nn.Linear(24, 16), nn.ReLU(), nn.Linear(16, CLASSES))


def cnn(p=0.0):
    return nn.Sequential(nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(p), nn.Flatten(),
                         nn.Linear(6 * 4 * 4, CLASSES))


MODELS = {"mlp": (mlp, (12,)), "cnn": (cnn, (3, 8, 8))}
OPTIMIZERS = {"adamw": lambda o, p: o.AdamW(p, lr=0.01, weight_decay=0.1), "sgd": lambda o, p: o.SGD(p, lr=0.05, momentum=0.9, weight_decay=1e-3)}
SCHEDULES = {"cosine": lambda s, o: s.CosineAnnealingLR(o, 40, eta_min=1e-4), "lambda": lambda s, o: s.LambdaLR(o, lambda e: 1 / (1 + e)), None: None}


def batches(shape, count=STEPS):
    """Full batches with a ragged one at the end of each of three epochs."""
    for i in range(count):
        n = 5 if i % 10 == 9 else 8
        yield rand(n, *shape, seed=i, dtype="float32"), np.random.default_rng(i).integers(0, CLASSES, n)


def train(kind, optimizer, schedule, dropout, wrap):
    fin.manual_seed(7)
    make, shape = MODELS[kind]
    model = make(dropout)
    opt = OPTIMIZERS[optimizer](optim, model.parameters())
    scheduler = SCHEDULES[schedule](optim.lr_scheduler, opt) if schedule else None

    def step(x, y):
        opt.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        return loss, norm

    step = wrap(step)
    history = []
    for x, y in batches(shape):
        loss, norm = step(fin.from_numpy(x), fin.from_numpy(y))
        if scheduler:
            scheduler.step()
        history.append((loss.item(), norm.item()))
    return np.array(history), {name: value.numpy().copy() for name, value in model.state_dict().items()}, step


def close(found, wanted, rtol=1e-4, atol=1e-5):
    np.testing.assert_allclose(found[0], wanted[0], rtol=rtol, atol=atol)
    assert found[1].keys() == wanted[1].keys()
    for name in wanted[1]:
        np.testing.assert_allclose(found[1][name], wanted[1][name], rtol=rtol, atol=atol, err_msg=name)


def in_mode(mode):
    def run(step):
        def inner(*args):
            with fin.eager_mode(mode):
                return step(*args)
        return inner
    return run


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("kind", MODELS)
def test_immediate_deferred_and_jit_agree(kind, optimizer, schedule):
    immediate = train(kind, optimizer, schedule, 0.2, in_mode("immediate"))
    close(train(kind, optimizer, schedule, 0.2, in_mode("deferred")), immediate)
    jitted = train(kind, optimizer, schedule, 0.2, fin.jit(fullgraph=True))
    close(jitted, immediate)
    # Full and ragged batches: two signatures, each recorded and verified, all other calls without Python.
    assert jitted[2].cache_info() == {"hits": STEPS - 4, "signatures": 2, "demoted": 0}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("kind", MODELS)
def test_jit_is_pytorch(kind, optimizer):
    make, shape = MODELS[kind]
    ours = make()
    theirs = {"mlp": lambda: torch.nn.Sequential(torch.nn.Linear(12, 24), torch.nn.GELU(), torch.nn.Dropout(0.0), torch.nn.Linear(24, 16),
                                                 torch.nn.ReLU(), torch.nn.Linear(16, CLASSES)),
              "cnn": lambda: torch.nn.Sequential(torch.nn.Conv2d(3, 6, 3, padding=1, bias=False), torch.nn.BatchNorm2d(6), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
                                                 torch.nn.Dropout(0.0), torch.nn.Flatten(), torch.nn.Linear(6 * 4 * 4, CLASSES))}[kind]()
    state = {name: fin.from_numpy(value.numpy()) for name, value in theirs.state_dict().items() if "num_batches" not in name}
    ours.load_state_dict(state, strict=False)
    a, b = OPTIMIZERS[optimizer](optim, ours.parameters()), OPTIMIZERS[optimizer](torch.optim, theirs.parameters())
    s, t = optim.lr_scheduler.CosineAnnealingLR(a, 40), torch.optim.lr_scheduler.CosineAnnealingLR(b, 40)

    def step(model, opt, loss_of, clip, x, y):
        opt.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        clip(model.parameters(), 1.0)
        opt.step()
        return loss

    @fin.jit(fullgraph=True)
    def jitted(x, y):
        return step(ours, a, F.cross_entropy, nn.utils.clip_grad_norm_, x, y)

    for x, y in batches(shape):
        found = jitted(fin.from_numpy(x), fin.from_numpy(y))
        wanted = step(theirs, b, torch.nn.functional.cross_entropy, torch.nn.utils.clip_grad_norm_, torch.from_numpy(x), torch.from_numpy(y))
        s.step()
        t.step()
        np.testing.assert_allclose(found.item(), wanted.item(), rtol=1e-4, atol=1e-5)
    for name, value in theirs.state_dict().items():
        if "num_batches" not in name:
            np.testing.assert_allclose(ours.state_dict()[name].numpy(), value.numpy(), rtol=1e-4, atol=1e-4, err_msg=name)


def test_learning_rate_writes_do_not_record_again():
    p = nn.Parameter(fin.tensor([1.0, 2.0]))
    opt = optim.SGD([p], lr=0.1)

    @fin.jit(fullgraph=True)
    def step():
        opt.zero_grad()
        (p * 3).sum().backward()
        opt.step()

    wanted = np.array([1.0, 2.0])
    for i in range(6):
        opt.param_groups[0]["lr"] = 0.1 / (i + 1)
        step()
        wanted = wanted - 3 * 0.1 / (i + 1)
        np.testing.assert_allclose(p.numpy(), wanted, rtol=1e-6)
    assert step.cache_info() == {"hits": 4, "signatures": 1, "demoted": 0}


def test_a_steady_step_asks_the_system_for_no_memory():
    model = nn.Sequential(nn.Linear(12, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, CLASSES))
    opt = optim.AdamW(model.parameters(), lr=1e-3)

    @fin.jit(fullgraph=True)
    def step(x, y):
        opt.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        opt.step()
        return loss

    x, y = fin.from_numpy(rand(8, 12, dtype="float32")), fin.from_numpy(np.arange(8) % CLASSES)
    first = step(x, y).item()
    for _ in range(10):
        step(x, y)
    before = fin._core.memory_stats()
    fin._core.reset_peak_memory()
    for _ in range(500):
        loss = step(x, y)
    after = fin._core.memory_stats()
    assert after["system_allocations"] == before["system_allocations"]
    assert abs(after["live_bytes"] - before["live_bytes"]) < 1024
    # Parameters and both moments are written in place; what a step needs besides is gradients and temporaries.
    parameters = sum(p.numel() * 4 for p in model.parameters())
    assert after["peak_bytes"] - before["live_bytes"] < 4 * parameters
    assert loss.item() < first


def test_random_numbers_follow_the_seed():
    drop = nn.Dropout(0.5)
    x = fin.ones(64)
    jitted = fin.jit(lambda x: drop(x) + fin.rand(64), fullgraph=True)

    def draws(f):
        fin.manual_seed(3)
        first = [f(x).tolist() for _ in range(4)]
        fin.manual_seed(3)
        return first, [f(x).tolist() for _ in range(2)], fin.rand(3).tolist()

    wanted = draws(lambda x: drop(x) + fin.rand(64))
    assert draws(jitted) == wanted
    assert wanted[0][0] != wanted[0][1] and wanted[0][:2] == wanted[1]
    assert jitted.cache_info()["hits"] == 4


def lenet():
    return nn.Sequential(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(256, 32), nn.ReLU(),
                         nn.Linear(32, CLASSES))


@pytest.mark.parametrize("make, shape, bound", [(mlp, (12,), 28), (lenet, (1, 28, 28), 40)])
def test_nothing_of_a_training_step_is_interpreted(make, shape, bound):
    model = make()
    opt = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    @fin.jit(fullgraph=True)
    def step(x, y):
        opt.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        opt.step()
        return loss

    x, y = fin.from_numpy(rand(8, *shape, dtype="float32")), fin.from_numpy(np.arange(8) % CLASSES)
    for _ in range(4):
        step(x, y).item()
    fin._core.wait_for_compiles()
    record = step.explain()[0]
    assert record["interpreted_ops"] == 0
    assert 0 < record["kernels"] <= bound
