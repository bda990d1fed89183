# SPDX-License-Identifier: Apache-2.0
"""Errors that come late, Ctrl-C, and what the state is after them; whose line a traceback ends in."""
import os
import traceback

import numpy as np
import pytest
from processes import run_python

import tinyfin as fin
from tinyfin import _core

HERE = os.path.basename(__file__)
PACKAGE = os.path.dirname(fin.__file__)


def line_of(word):
    with open(__file__) as file:
        return next(n for n, line in enumerate(file, 1) if word in line and "line_of" not in line)


def model():
    rng = np.random.default_rng(0)
    return [fin.tensor(rng.standard_normal(shape).astype(np.float32) * 0.1, requires_grad=True) for shape in ((10, 16), (16, 4))]


def step(parameters, tokens, labels, rate=0.1):
    table, w = parameters
    loss = fin.nn.functional.cross_entropy(fin.nn.functional.embedding(tokens, table) @ w, labels)
    loss.backward()
    with fin.no_grad():
        for p in parameters:
            p.sub_(p.grad * rate)
    fin.mark_step()
    return loss


def clear(parameters):
    for p in parameters:
        p.grad = None


@pytest.mark.parametrize("wrong", ["token", "label"])
@pytest.mark.parametrize("warm", [0, 4])
def test_a_bad_index_leaves_parameters_as_before(wrong, warm):
    parameters = model()
    good = fin.tensor([1, 2, 3]), fin.tensor([0, 1, 2])
    for _ in range(warm):
        step(parameters, *good)
        clear(parameters)
    fin.sync()
    _core.wait_for_compiles(5)
    if warm:
        step(parameters, *good)
        clear(parameters)
        fin.sync()
    before = [p.detach().clone().numpy().copy() for p in parameters]
    bad = (fin.tensor([1, 99, 3]), good[1]) if wrong == "token" else (good[0], fin.tensor([0, 44, 2]))
    with pytest.raises((IndexError, ValueError)) as caught:
        step(parameters, *bad).item()
    assert f"{HERE}:{line_of('loss = fin.nn.functional')}" in str(caught.value)
    for p, old in zip(parameters, before):
        assert (p.detach().numpy() == old).all()
        assert p.grad is None
    loss = step(parameters, *good)
    assert np.isfinite(loss.item())
    assert not (parameters[0].detach().numpy() == before[0]).all()


def test_gradients_made_before_stay():
    parameters = model()
    step(parameters, fin.tensor([1]), fin.tensor([1])).item()
    kept = parameters[0].grad.numpy().copy()
    with pytest.raises(IndexError):
        step(parameters, fin.tensor([77]), fin.tensor([1])).item()
    assert (parameters[0].grad.numpy() == kept).all()


def test_what_depended_on_it_says_why():
    x = fin.tensor([1.0, 2.0])
    a = x[fin.tensor([5])]
    b, c = a * 2, x * 3
    with pytest.raises(IndexError, match="5"):
        b.item()
    for late in (lambda: b.item(), lambda: a.tolist(), lambda: (b + 1)):
        with pytest.raises(RuntimeError, match=HERE):
            late()
    assert x.tolist() == [1, 2]
    assert c is not None


def test_a_recorded_assert():
    x = fin.tensor([1.0, -1.0])
    kept = fin.tensor([0.0, 0.0])
    kept.add_(1)
    getattr(fin.ops, "assert")(x[1] > 0, "wanted positive numbers")
    with pytest.raises(AssertionError, match="wanted positive numbers"):
        fin.sync()
    assert kept.tolist() == [0, 0]
    fin.sync()


def test_writes_that_ran_are_not_undone():
    x = fin.tensor([1.0, 2.0])
    x.add_(1)
    fin.sync()
    y = x[fin.tensor([9])]
    x.mul_(5)
    with pytest.raises(IndexError):
        y.item()
    assert x.tolist() == [2, 3]


def test_immediate_mode_keeps_what_was_written_before():
    with fin.eager_mode("immediate"):
        x = fin.tensor([1.0, 2.0])
        x.add_(1)
        with pytest.raises(IndexError):
            x[fin.tensor([9])]
        assert x.tolist() == [2, 3]


INTERRUPT = """
import os, signal, threading, time, numpy as np, tinyfin as fin
signal.signal(signal.SIGINT, signal.default_int_handler)  # shells let background jobs ignore it
w = fin.tensor(np.ones((1500, 1500), np.float32) * 1e-3)
before = w.numpy().copy()
def run(n):
    y = w
    for _ in range(n): y = (y @ w).clamp(-1.0, 1.0)
    return y
run(2).numpy()
start = time.time()
threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    y = run(600)
    w.add_(1)
    y.numpy()
    print("ran to its end")
except KeyboardInterrupt:
    print("interrupted", time.time() - start < 10, (w.numpy() == before).all())
print((w * 2).sum().item() > 0)
"""


def test_ctrl_c_during_a_flush():
    result = run_python(INTERRUPT, returncode=None)
    assert result.stdout.split("\n")[:2] == ["interrupted True True", "True"], result.stdout + result.stderr[-3000:]


def mistakes():
    F = fin.nn.functional
    x, i = fin.ones((2, 3)), fin.tensor([0, 1])
    return {
        "add": (lambda: x + fin.ones((4,)), ValueError, "3.*4|4.*3"),
        "matmul": (lambda: x @ x, ValueError, "3.*2"),
        "matmul dtype": (lambda: x @ x.T.double(), TypeError, "float32|f32"),
        "reshape": (lambda: x.reshape(4), ValueError, "reshape"),
        "axis": (lambda: x.sum(5), IndexError, "axis 5"),
        "axis type": (lambda: x.sum("a"), TypeError, "."),
        "index": (lambda: x[7], IndexError, "index 7"),
        "float index": (lambda: x[1.5], TypeError, "float"),
        "float index tensor": (lambda: x[fin.tensor([0.5])], IndexError, "integer"),
        "too many indices": (lambda: x[0, 0, 0], IndexError, "too many"),
        "string operand": (lambda: x + "a", TypeError, "."),
        "none operand": (lambda: x * None, TypeError, "."),
        "list operand": (lambda: x.add([1.0]), TypeError, "."),
        "device": (lambda: x.to("cuda"), (ValueError, RuntimeError), "cuda"),
        "dtype": (lambda: fin.ones((2,), dtype="float99"), (TypeError, ValueError), "."),
        "cat": (lambda: fin.cat([x, fin.ones((2, 4))]), ValueError, "cat"),
        "item": (lambda: x.item(), ValueError, "one"),
        "truth": (lambda: bool(x), ValueError, "one"),
        "write shape": (lambda: x.__setitem__(0, fin.ones((5,))), ValueError, "5"),
        "expanded write": (lambda: fin.zeros((1, 3)).expand(2, 3).add_(1), RuntimeError, "clone"),
        "linear": (lambda: F.linear(x, fin.ones((4, 5))), ValueError, "3.*5|5.*3"),
        "embedding": (lambda: F.embedding(x, x), (TypeError, ValueError), "integer|int"),
        "labels": (lambda: F.cross_entropy(x, fin.tensor([0, 1, 2])), ValueError, "2|3"),
        "layer": (lambda: fin.nn.Linear(4, 2)(x), ValueError, "3.*4|4.*3"),
        "conv": (lambda: fin.nn.Conv2d(3, 4, 3)(fin.ones((1, 2, 8, 8))), ValueError, "2|3"),
        "softmax axis": (lambda: F.softmax(x, dim=4), IndexError, "4"),
        "negative shape": (lambda: fin.zeros((2, -3)), ValueError, "negative"),
        "no tensor": (lambda: fin.tensor(["a"]), TypeError, "."),
        "backward": (lambda: (x * 2).backward(), RuntimeError, "grad"),
        "optimizer": (lambda: fin.optim.SGD([], lr=0.1), ValueError, "."),
        "batch norm": (lambda: fin.nn.BatchNorm2d(3)(fin.ones((1, 2, 4, 4))), ValueError, "."),
        "mask": (lambda: x.__setitem__(i > 5, fin.ones((2, 3))), (ValueError, NotImplementedError), "."),
    }


@pytest.mark.parametrize("name", mistakes())
def test_a_mistake_is_one_sentence_at_the_users_line(name):
    act, kind, words = mistakes()[name]
    with pytest.raises(kind, match=words) as caught:
        act()
    innermost = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert innermost.filename == __file__, f"ends in {innermost.filename}:{innermost.lineno}"
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_after_all_these_mistakes_recording_goes_on():
    x = fin.ones((2, 3)) * 2
    for act, kind, _ in mistakes().values():
        with pytest.raises(kind):
            act()
    assert x.sum().item() == 12
