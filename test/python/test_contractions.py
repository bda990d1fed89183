# SPDX-License-Identifier: Apache-2.0
"""Products with what finishes them: values and gradients are PyTorch's, whatever fusion makes of them."""
import numpy as np
import pytest
from oracle import rand, torch

import tinyfin as fin
from tinyfin.nn import functional as F

SIZES = [(4, 8, 16), (2, 33, 70), (256, 96, 160), (390, 600, 601)]  # generated, ragged, not worth tiles, in tiles


def close(found, wanted, tolerance=2e-4):
    scale = max(1.0, float(np.abs(wanted).max()))
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance * scale)


def compare(program, *arrays):
    """Runs `program(lib, functional, *tensors) -> loss` under fin.jit and in PyTorch; gradients of all tensors."""
    ours = [fin.from_numpy(a) for a in arrays]

    def step(*tensors):
        leaves = [t.detach().requires_grad_() for t in tensors]
        loss = program(fin, F, *leaves)
        loss.backward()
        return (loss, *[leaf.grad for leaf in leaves])

    theirs = [torch.from_numpy(a).requires_grad_() for a in arrays]
    loss = program(torch, torch.nn.functional, *theirs)
    loss.backward()
    jitted = fin.jit(step)
    for _ in range(2):
        found = jitted(*ours)
        close(found[0].numpy(), loss.detach().numpy())
        for mine, other in zip(found[1:], theirs):
            close(mine.numpy(), other.grad.numpy())


@pytest.mark.parametrize("m,k,n", SIZES)
@pytest.mark.parametrize("activation", ["gelu", "relu", "tanh", "sigmoid"])
def test_two_layers(m, k, n, activation):
    def program(lib, f, x, w1, b1, w2, b2):
        act = getattr(f, activation, None) or getattr(lib, activation)
        return ((act(x @ w1 + b1) @ w2 + b2) ** 2).mean()

    compare(program, *[rand(*shape, seed=i, dtype="float32") for i, shape in enumerate([(m, k), (k, n), (n,), (n, k), (k,)])])


@pytest.mark.parametrize("m,k,n", SIZES)
def test_residual_and_shared_input(m, k, n):
    def program(lib, f, x, wq, wk, wv, wo):
        mixed = lib.tanh(x @ wq) * (x @ wk) + x @ wv
        return ((x + mixed @ wo * 0.5) ** 2).sum()

    compare(program, *[rand(*shape, seed=i, dtype="float32") * 0.3 for i, shape in enumerate([(2, m, k), (k, n), (k, n), (k, n), (n, k)])])


@pytest.mark.parametrize("m,k,n", SIZES)
def test_batched_scores(m, k, n):
    def program(lib, f, q, key, mask):
        scores = q @ key.transpose(-1, -2) * 0.125 + mask
        return (lib.softmax(scores, dim=-1) ** 2).sum() if lib is torch else (f.softmax(scores, dim=-1) ** 2).sum()

    compare(program, *[rand(*shape, seed=i, dtype="float32") for i, shape in enumerate([(2, 3, m, k), (2, 3, n, k), (m, n)])])


@pytest.mark.parametrize("m,k,n", SIZES)
def test_update_of_a_weight_finishes_its_gradient(m, k, n):
    """w - lr * x.T @ dy in one region; the weight keeps its memory."""
    x, dy, w = (rand(*shape, seed=i, dtype="float32") for i, shape in enumerate([(m, k), (m, n), (k, n)]))
    step = fin.jit(lambda w, x, dy: w - (x.T @ dy) * 0.1)
    for _ in range(3):
        found = step(*map(fin.from_numpy, (w, x, dy)))
        close(found.numpy(), w - 0.1 * (x.T @ dy))
