# SPDX-License-Identifier: Apache-2.0
"""Optimizers and schedules: 20 steps are PyTorch's."""
import numpy as np
import pytest
from oracle import DTYPES, pair, rand, same, torch

import tinyfin as fin
from tinyfin import nn, optim

OPTIMIZERS = {
    "sgd": lambda o, p: o.SGD(p, lr=0.05), "sgd momentum": lambda o, p: o.SGD(p, lr=0.05, momentum=0.9),
    "sgd nesterov": lambda o, p: o.SGD(p, lr=0.05, momentum=0.9, nesterov=True), "sgd decay": lambda o, p: o.SGD(p, lr=0.05, weight_decay=0.1),
    "sgd dampening": lambda o, p: o.SGD(p, lr=0.05, momentum=0.9, dampening=0.3, weight_decay=0.01), "sgd maximize": lambda o, p: o.SGD(p, lr=0.01, maximize=True),
    "adam": lambda o, p: o.Adam(p, lr=0.01), "adam decay": lambda o, p: o.Adam(p, lr=0.01, weight_decay=0.1, betas=(0.8, 0.95), eps=1e-6),
    "adam amsgrad": lambda o, p: o.Adam(p, lr=0.01, amsgrad=True), "adamw": lambda o, p: o.AdamW(p, lr=0.01),
    "adamw strong": lambda o, p: o.AdamW(p, lr=0.05, weight_decay=0.3, betas=(0.5, 0.9)), "adamw maximize": lambda o, p: o.AdamW(p, lr=0.01, maximize=True),
    "adamw amsgrad": lambda o, p: o.AdamW(p, lr=0.01, amsgrad=True), "adamw no decay": lambda o, p: o.AdamW(p, lr=0.01, weight_decay=0)}
SCHEDULES = {
    "lambda": lambda s, o: s.LambdaLR(o, lambda e: 0.9**e), "step": lambda s, o: s.StepLR(o, 3, gamma=0.5), "linear": lambda s, o: s.LinearLR(o, 0.2, total_iters=7),
    "linear down": lambda s, o: s.LinearLR(o, 1.0, 0.1, total_iters=5), "cosine": lambda s, o: s.CosineAnnealingLR(o, 10, eta_min=1e-3)}


def models(dtype="float64"):
    ours = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))
    theirs = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3)).to(DTYPES[dtype][1])
    ours.to(DTYPES[dtype][0])
    ours.load_state_dict({name: fin.from_numpy(value.numpy()) for name, value in theirs.state_dict().items()})
    return ours, theirs


def train_step(model, optimizer, x, y):
    optimizer.zero_grad()
    loss = ((model(x) - y) ** 2).mean()
    loss.backward()
    optimizer.step()
    return loss


def agree(ours, theirs, scale=10):
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        same(p, q, scale=scale)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_twenty_steps(name, dtype, mode):
    ours, theirs = models(dtype)
    a, b = OPTIMIZERS[name](optim, ours.parameters()), OPTIMIZERS[name](torch.optim, theirs.parameters())
    for i in range(20):
        (x, t), (y, u) = pair(rand(6, 4, seed=i), dtype), pair(rand(6, 3, seed=100 + i), dtype)
        same(train_step(ours, a, x, y), train_step(theirs, b, t, u), scale=20)
    agree(ours, theirs, scale=30)


@pytest.mark.parametrize("dtype", [fin.bfloat16, fin.float16])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_halves_are_updated_in_float32_and_rounded_once(name, dtype, mode):
    half = fin.from_numpy(rand(40)).to(dtype).requires_grad_()
    single = half.detach().float().requires_grad_()
    a, b = OPTIMIZERS[name](optim, [half]), OPTIMIZERS[name](optim, [single])
    for i in range(10):
        half.grad = fin.from_numpy(rand(40, seed=i)).to(dtype)
        single.grad = half.grad.float()
        before = half.detach().float().numpy()
        a.step()
        b.step()
        assert not np.array_equal(before, half.detach().float().numpy())
        for found, wanted in [(half, single)] + [(a.state[half][key], b.state[single][key]) for key in a.state[half] if key != "step"]:
            rounded = wanted.detach().to(dtype).float().numpy()
            # A value in the middle may round either way: the compiled formula contracts a*b+c.
            np.testing.assert_allclose(found.detach().float().numpy(), rounded, rtol=2**-7 if dtype == fin.bfloat16 else 2**-10, atol=1e-7)
            assert np.mean(found.detach().float().numpy() != rounded) < 0.1
            wanted.data = found.detach().float()


@pytest.mark.parametrize("name", ["sgd dampening", "adamw"])
def test_parameters_that_are_left_out_of_some_steps(name):
    ours, theirs = models()
    a, b = OPTIMIZERS[name](optim, ours.parameters()), OPTIMIZERS[name](torch.optim, theirs.parameters())
    x, t = pair(rand(6, 4))
    for i in range(8):
        for model, optimizer, data in ((ours, a, x), (theirs, b, t)):
            optimizer.zero_grad()
            model(data).square().sum().backward()
            if i % 3:
                model[i % 3 - 1 and 2].weight.grad = None
            optimizer.step()
    agree(ours, theirs)


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(name):
    ours, theirs = models()
    a, b = optim.SGD(ours.parameters(), lr=0.1), torch.optim.SGD(theirs.parameters(), lr=0.1)
    s, t = SCHEDULES[name](optim.lr_scheduler, a), SCHEDULES[name](torch.optim.lr_scheduler, b)
    x, tx = pair(rand(6, 4))
    for _ in range(15):
        assert s.get_last_lr() == pytest.approx(t.get_last_lr(), rel=1e-9)
        assert a.param_groups[0]["lr"] == pytest.approx(b.param_groups[0]["lr"], rel=1e-9)
        for model, optimizer, data in ((ours, a, x), (theirs, b, tx)):
            optimizer.zero_grad()
            model(data).square().sum().backward()
            optimizer.step()
        s.step()
        t.step()
    agree(ours, theirs)


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule_resumes(name):
    (first, _), (second, _) = models(), models()
    a, b = optim.SGD(first.parameters(), lr=0.1), optim.SGD(second.parameters(), lr=0.1)
    s, t = SCHEDULES[name](optim.lr_scheduler, a), SCHEDULES[name](optim.lr_scheduler, b)
    for _ in range(4):
        s.step()
    t.load_state_dict(s.state_dict())
    assert b.param_groups[0]["lr"] == a.param_groups[0]["lr"]
    s.step()
    t.step()
    assert t.get_last_lr() == s.get_last_lr()


def test_param_groups():
    ours, theirs = models()
    def groups(m):
        return [{"params": m[0].parameters()}, {"params": [m[2].weight, m[2].bias], "lr": 0.01, "weight_decay": 0.2}]
    a, b = optim.AdamW(groups(ours), lr=0.1), torch.optim.AdamW(groups(theirs), lr=0.1)
    for _ in range(5):
        train_step(ours, a, *[pair(rand(6, n))[0] for n in (4, 3)])
        train_step(theirs, b, *[pair(rand(6, n))[1] for n in (4, 3)])
    agree(ours, theirs)


@pytest.mark.parametrize("option, value", [("lr", 0.5), ("betas", (0.5, 0.6)), ("weight_decay", 0.0), ("eps", 1e-3)])
def test_changing_an_option_takes_effect(option, value):
    ours, theirs = models()
    a, b = optim.AdamW(ours.parameters(), lr=0.01), torch.optim.AdamW(theirs.parameters(), lr=0.01)
    for i in range(6):
        if i == 3:
            a.param_groups[0][option] = b.param_groups[0][option] = value
        train_step(ours, a, *[pair(rand(6, n))[0] for n in (4, 3)])
        train_step(theirs, b, *[pair(rand(6, n))[1] for n in (4, 3)])
    assert a.param_groups[0][option] == value
    agree(ours, theirs)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_state_resumes(name):
    (first, _), (second, _) = models(), models()
    second.load_state_dict(first.state_dict())
    a, b = OPTIMIZERS[name](optim, first.parameters()), OPTIMIZERS[name](optim, second.parameters())
    data = [pair(rand(6, n))[0] for n in (4, 3)]
    for _ in range(3):
        train_step(first, a, *data)
    second.load_state_dict(first.state_dict())
    b.load_state_dict(a.state_dict())
    for _ in range(3):
        train_step(first, a, *data)
        train_step(second, b, *data)
    for p, q in zip(first.parameters(), second.parameters()):  # compiled and interpreted code may differ by a rounding
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-12)


def test_state_dict_has_the_form_of_pytorch():
    ours, theirs = models()
    a, b = optim.AdamW(ours.parameters()), torch.optim.AdamW(theirs.parameters())
    train_step(ours, a, *[pair(rand(6, n))[0] for n in (4, 3)])
    train_step(theirs, b, *[pair(rand(6, n))[1] for n in (4, 3)])
    found, wanted = a.state_dict(), b.state_dict()
    assert found["param_groups"][0]["params"] == wanted["param_groups"][0]["params"]
    for i, entry in wanted["state"].items():
        assert set(entry) == set(found["state"][i])
        same(found["state"][i]["exp_avg_sq"], entry["exp_avg_sq"])
        assert float(found["state"][i]["step"].item()) == float(entry["step"])


def test_load_state_dict_of_another_model():
    (a, _), other = models(), nn.Linear(2, 2)
    with pytest.raises(ValueError, match="found groups of .* wanted"):
        optim.SGD(a.parameters()).load_state_dict(optim.SGD(other.parameters()).state_dict())
    wrong = nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 3))
    with pytest.raises(ValueError, match="shape"):
        optim.Adam(a.parameters()).load_state_dict(optim.Adam(wrong.parameters()).state_dict())


@pytest.mark.parametrize("make", [
    lambda p: optim.SGD([]), lambda p: optim.SGD(p, lr=-1), lambda p: optim.AdamW(p, betas=(0.9, 1.0)), lambda p: optim.SGD(p, nesterov=True),
    lambda p: optim.SGD(p + p), lambda p: optim.SGD([p[0] * 2]), lambda p: optim.SGD([{"params": p}, {"params": p}])])
def test_wrong_arguments(make):
    with pytest.raises(ValueError, match="found|twice"):
        make(list(nn.Linear(2, 2).parameters()))


def test_wrong_parameter_type():
    with pytest.raises(TypeError, match="wanted Tensors"):
        optim.SGD([1.0])


def test_closure():
    model, _ = models()
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    x = pair(rand(6, 4))[0]

    def closure():
        optimizer.zero_grad()
        loss = model(x).square().sum()
        loss.backward()
        return loss

    first = optimizer.step(closure).item()
    assert optimizer.step(closure).item() < first


def test_zero_grad_in_place():
    layer = nn.Linear(2, 2)
    optimizer = optim.SGD(layer.parameters())
    layer(fin.ones((1, 2))).sum().backward()
    optimizer.zero_grad(set_to_none=False)
    assert layer.bias.grad.tolist() == [0, 0]
    optimizer.zero_grad()
    assert layer.bias.grad is None


def test_scheduler_with_wrong_lambdas():
    with pytest.raises(ValueError, match="found 2 functions"):
        optim.lr_scheduler.LambdaLR(optim.SGD(nn.Linear(2, 2).parameters()), [lambda e: 1, lambda e: 1])


