# SPDX-License-Identifier: Apache-2.0
"""fin.jit(remat=...): how much waits for the backward half is the caller's choice, and changes no result."""
import numpy as np
import pytest
from oracle import rand

import tinyfin as fin
from tinyfin import nn, optim
from tinyfin.nn import functional as F

ROWS, WIDTH, LAYERS = 256, 64, 12


class Net(nn.Module):
    """Layers whose activations are cheap to compute again."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(WIDTH, WIDTH) for _ in range(LAYERS)])

    def forward(self, x):
        for layer in self.layers:
            x = F.gelu(layer(x))
        return x


def training(**options):
    """(losses of four steps, the record of the step's graph, parameters afterwards)."""
    fin.manual_seed(3)
    model = Net()
    update = optim.SGD(model.parameters(), lr=0.01)
    x = fin.from_numpy(rand(ROWS, WIDTH, seed=1, dtype="float32"))

    @fin.jit(**options)
    def step(x):
        update.zero_grad()
        loss = (model(x) ** 2).mean()
        loss.backward()
        update.step()
        return loss
    losses = [step(x).item() for _ in range(4)]
    (record,) = step.explain()
    assert not record["demoted"] and not record["interpreted_ops"]
    return losses, record, [p.numpy() for p in model.parameters()]


def test_a_budget_lowers_the_memory_of_a_step():
    assert training(remat=0)[1]["max_live_bytes"] < 0.8 * training(remat="none")[1]["max_live_bytes"]


def test_a_budget_that_is_not_reached_changes_nothing():
    assert training(remat=1 << 40)[1]["arena_bytes"] == training(remat="none")[1]["arena_bytes"]


def test_auto_keeps_what_fits_the_setting():
    assert training()[1]["arena_bytes"] == training(remat="auto")[1]["arena_bytes"] == training(remat=16 << 20)[1]["arena_bytes"]


def test_results_do_not_depend_on_it():
    # Kernels are other ones, so sums may be rounded in another order.
    losses, _, parameters = training(remat="none")
    for remat in (0, 1 << 16, "auto"):
        others, _, moved = training(remat=remat)
        np.testing.assert_allclose(others, losses, rtol=1e-6)
        for a, b in zip(parameters, moved):
            np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-7)


def test_one_function_compiled_both_ways_has_two_entries_in_the_cache():
    x = fin.from_numpy(rand(8, 8, seed=2, dtype="float32"))

    def body(x):
        return (x * 3).exp().sum()
    before = fin.cache_info()["entries"]
    for remat in ("none", 4096, "none", 4096):
        jitted = fin.jit(body, remat=remat)
        for _ in range(3):
            jitted(x)
    assert fin.cache_info()["entries"] == before + 2


def test_the_backward_graph_of_a_function_without_an_optimizer_follows_too():
    w = fin.from_numpy(rand(WIDTH, WIDTH, seed=4, dtype="float32"))
    x = fin.from_numpy(rand(ROWS, WIDTH, seed=5, dtype="float32"))
    found = []
    for remat in ("none", 0):
        leaf = w.clone().requires_grad_()
        jitted = fin.jit(lambda x, leaf=leaf: F.gelu(x @ leaf).sum(), remat=remat)
        for _ in range(3):
            leaf.grad = None
            jitted(x).backward()
        found.append(leaf.grad.numpy())
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("wrong", ["always", "16M", -1, 1 << 63, True, 1.5, None])
def test_a_wrong_value_is_named(wrong):
    with pytest.raises(ValueError, match="jit: remat: found .*, wanted \"auto\", \"none\" or how many bytes may be kept"):
        fin.jit(lambda x: x, remat=wrong)
