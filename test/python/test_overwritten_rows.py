# SPDX-License-Identifier: Apache-2.0
"""Rows that are normalized lie over what they are made of: losses of logits that nothing else reads, softmax, layer norm."""
import json
import os

import numpy as np
import pytest
from oracle import rand, torch
from processes import run_python

import tinyfin as fin
from tinyfin.nn import functional as F

# Rows of whole vectors and others; ones too long to be held in between; few rows; rows of one element.
SHAPES = [(64, 96), (40, 77), (33, 40001), (2, 300), (1024, 5), (48, 1)]


def compiled(function, *arrays):
    """Results of the compiled function, called once."""
    step = fin.jit(function)
    results = step(*[fin.from_numpy(a) for a in arrays])
    (record,) = step.explain()
    assert not record["demoted"] and not record["interpreted_ops"]
    return [r.numpy() for r in results], record


def train(cross_entropy, model, update, x, labels):
    """Loss and weights after one step: nothing but the loss and its derivative reads the logits."""
    update.zero_grad()
    loss = cross_entropy(model(x), labels)
    loss.backward()
    update.step()
    return loss, model.weight


def same(found, wanted):
    for a, b in zip(found, wanted, strict=True):
        b = b.detach().numpy()
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-5 * abs(b).max())  # sums of up to 40,001 products


def loss_step(rows, columns):
    """(found, record, wanted) of a classifier's training step."""
    x, w = rand(rows, 8, seed=1, dtype="float32"), rand(columns, 8, seed=2, dtype="float32")
    labels = np.random.default_rng(3).integers(0, columns, rows)

    def build(nn, optim, tensor):
        model = nn.Linear(8, columns, bias=False)
        model.load_state_dict({"weight": tensor(w)})
        return model, optim.SGD(model.parameters(), lr=10.0)
    ours, theirs = build(fin.nn, fin.optim, fin.from_numpy), build(torch.nn, torch.optim, torch.tensor)
    found, record = compiled(lambda x, y: train(F.cross_entropy, *ours, x, y), x, labels)
    return found, record, train(torch.nn.functional.cross_entropy, *theirs, torch.tensor(x), torch.tensor(labels))


@pytest.mark.parametrize("rows, columns", SHAPES)
def test_cross_entropy_of_logits_that_die(rows, columns):
    found, _, wanted = loss_step(rows, columns)
    same(found, wanted)


@pytest.mark.parametrize("rows, columns", SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_softmax_and_layer_norm_of_what_dies(rows, columns, dtype):
    x, w = rand(rows, 8, seed=1, dtype=dtype), rand(8, columns, seed=2, dtype=dtype)
    v, u = rand(columns, 4, seed=4, dtype=dtype), rand(columns, seed=5, dtype=dtype)

    def normalized(module, x, w, v, u):
        h = x @ w
        g = (x + 1) @ w
        # Two results a row in one kernel, of which either may be written first.
        return module.softmax(h, -1) @ v, module.layer_norm(g, (columns,)) @ v, (module.softmax(g * u, -1) * g) @ v
    found, _ = compiled(lambda *given: normalized(F, *given), x, w, v, u)
    same(found, normalized(torch.nn.functional, *[torch.tensor(a) for a in (x, w, v, u)]))


PROGRAM = f"""
import sys, json
sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r})
from test_overwritten_rows import loss_step
found, record, _ = loss_step(64, 960)
print(json.dumps([[float(found[0]), float(abs(found[1]).sum())], record["arena_bytes"]]))
"""


def test_it_saves_the_gradient_of_the_logits_and_changes_no_result():
    def run(disabled):
        return json.loads(run_python(PROGRAM, TINYFIN_DISABLE=disabled, TINYFIN_NEVER_SLOWER="0").stdout)
    (ours, small), (others, large) = run(""), run("overwrite-rows")
    assert ours == others
    assert large - small >= 0.8 * 64 * 960 * 4  # what else is alive then takes the rest
