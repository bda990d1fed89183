# SPDX-License-Identifier: Apache-2.0
"""fin.jit(freeze=True): weights are prepared once, and a change of one is seen at the next call."""
import numpy as np
import pytest
from oracle import rand

import tinyfin as fin
from tinyfin import nn
from tinyfin.nn import functional as F

ROWS, INNER, COLUMNS = 64, 96, 128


def layer():
    model = nn.Sequential(nn.Linear(INNER, COLUMNS), nn.ReLU(), nn.Linear(COLUMNS, INNER))
    return model.eval()


def inputs(seed=0):
    return fin.from_numpy(rand(ROWS, INNER, seed=seed, dtype="float32"))


def frozen(function):
    return fin.jit(function, freeze=True)


def packed_bytes(step):
    return step.explain()[0]["prepacked_bytes"]


@pytest.mark.parametrize("dtype", [fin.float32, fin.bfloat16])
def test_frozen_weights_are_packed_and_the_result_is_the_same(dtype):
    model = layer().to(dtype)
    step, plain = frozen(lambda x: model(x)), fin.jit(lambda x: model(x))
    with fin.no_grad():
        for seed in range(5):
            x = inputs(seed).to(dtype)
            # In bfloat16 what follows a frozen product sees it before it is rounded.
            tolerance = 0 if dtype == fin.float32 else 1e-2
            np.testing.assert_allclose(step(x).to(fin.float32).numpy(), plain(x).to(fin.float32).numpy(), rtol=tolerance, atol=tolerance)
    size = 4 if dtype == fin.float32 else 2
    assert packed_bytes(step) >= 2 * INNER * COLUMNS * size
    assert packed_bytes(plain) == 0


def test_a_changed_weight_is_seen_at_the_next_call():
    model = layer()
    step = frozen(lambda x: model(x))
    x = inputs()
    with fin.no_grad():
        for _ in range(4):
            before = step(x).numpy()
        model[0].weight.mul_(2.0)
        model[2].bias.add_(1.0)
        np.testing.assert_allclose(step(x).numpy(), model(x).numpy(), rtol=1e-5, atol=1e-5)
        assert np.abs(step(x).numpy() - before).max() > 0.5
        model.load_state_dict(layer().state_dict())
        np.testing.assert_allclose(step(x).numpy(), model(x).numpy(), rtol=1e-5, atol=1e-5)
    assert step.cache_info()["demoted"] == 0 and packed_bytes(step) > 0


def test_tensors_the_body_writes_are_not_constants():
    total, weight = fin.zeros((ROWS, COLUMNS)), fin.from_numpy(rand(INNER, COLUMNS, dtype="float32"))
    x = inputs()

    @frozen
    def step(x):
        total.add_(x @ weight)
        return total.sum()
    for _ in range(5):
        step(x)
    np.testing.assert_allclose(total.numpy(), 5 * (x.numpy() @ weight.numpy()), rtol=1e-4, atol=1e-3)


def test_arguments_are_not_constants():
    step = frozen(lambda x, w: F.linear(x, w))
    for seed in range(5):
        x, w = inputs(seed), fin.from_numpy(rand(COLUMNS, INNER, seed=seed, dtype="float32"))
        np.testing.assert_allclose(step(x, w).numpy(), x.numpy() @ w.numpy().T, rtol=1e-4, atol=1e-4)
    assert packed_bytes(step) == 0


def test_gradients_flow_through_a_frozen_function():
    model, x = layer(), inputs()
    step = frozen(lambda x: model(x).square().mean())
    found = []
    for run in (step, step, step, step, lambda x: model(x).square().mean()):
        model.zero_grad()
        run(x).backward()
        found.append(model[0].weight.grad.numpy().copy())
    for grad in found[:-1]:
        np.testing.assert_allclose(grad, found[-1], rtol=1e-4, atol=1e-6)


def kernels_of(step, x):
    with fin.profile() as p:
        step(x).numpy()
    return [row["name"] for row in p.rows()]


def test_what_follows_a_frozen_product_finishes_its_blocks():
    """Without constant weights a product of this size is stored first."""
    weight, bias = (fin.from_numpy(rand(*dims, dtype="float32")) for dims in ((256, 256), (256,)))
    x = fin.from_numpy(rand(128, 256, dtype="float32"))
    step, plain = frozen(lambda x: F.relu(F.linear(x, weight, bias))), fin.jit(lambda x: F.relu(F.linear(x, weight, bias)))
    with fin.no_grad():
        for _ in range(4):
            step(x), plain(x)
        assert len(kernels_of(step, x)) == 1
        assert "fin.matmul" in kernels_of(plain, x)
        np.testing.assert_allclose(step(x).numpy(), plain(x).numpy(), rtol=1e-4, atol=1e-4)
