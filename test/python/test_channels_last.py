# SPDX-License-Identifier: Apache-2.0
"""Compiled convolutions, which run with channels last, against PyTorch; and the switches that take other forms."""

import numpy as np
import pytest
from processes import run_python

import tinyfin as fin

torch = pytest.importorskip("torch")


def both(x, w, stride, padding, dtype="float32"):
    """(value, dx, dw) of a jitted relu(conv(x)) pooled by 2, as arrays, by tinyfin and by PyTorch in float64."""
    F = fin.nn.functional

    def step(x, w):
        return F.max_pool2d(F.relu(F.conv2d(x, w, stride=stride, padding=padding)), 2)

    fx, fw = (fin.tensor(a).to(getattr(fin, dtype)) for a in (x, w))
    fx.requires_grad, fw.requires_grad = True, True
    y = fin.jit(step)(fx, fw)
    y.sum().backward()
    tx, tw = (torch.tensor(a.to(fin.float64).numpy(), requires_grad=True) for a in (fx.detach(), fw.detach()))
    ty = torch.nn.functional.max_pool2d(torch.relu(torch.nn.functional.conv2d(tx, tw, stride=stride, padding=padding)), 2)
    ty.sum().backward()
    found = [t.detach().to(fin.float64).numpy() for t in (y, fx.grad, fw.grad)]
    return found, [t.detach().numpy() for t in (ty, tx.grad, tw.grad)]


@pytest.mark.parametrize("inputs,outputs", [(1, 128), (3, 64), (17, 33), (64, 64)])
@pytest.mark.parametrize("kernel,stride,padding", [(1, 1, 0), (1, 2, 0), (3, 1, 1), (3, 1, 0), (3, 2, 1), (5, 1, 2), (7, 2, 3)])
def test_like_pytorch(inputs, outputs, kernel, stride, padding):
    generator = np.random.default_rng(kernel * 100 + inputs)
    x = generator.standard_normal((4, inputs, 15, 14), dtype="float32")
    w = generator.standard_normal((outputs, inputs, kernel, kernel), dtype="float32") / np.sqrt(inputs * kernel * kernel).astype("float32")
    for found, wanted in zip(*both(x, w, stride, padding)):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-5 * max(1, np.abs(wanted).max()))


@pytest.mark.parametrize("kernel,stride", [(1, 2), (3, 1), (3, 2)])
def test_bfloat16(kernel, stride):
    generator = np.random.default_rng(kernel)
    x = generator.standard_normal((4, 64, 12, 12), dtype="float32")
    w = generator.standard_normal((64, 64, kernel, kernel), dtype="float32") / np.sqrt(64 * kernel * kernel).astype("float32")
    found, wanted = both(x, w, stride, kernel // 2, "bfloat16")
    np.testing.assert_allclose(found[0], wanted[0], rtol=0, atol=2e-2 * np.abs(wanted[0]).max())


PROGRAM = """
import numpy as np, tinyfin as fin
generator = np.random.default_rng(0)
x = fin.tensor(generator.standard_normal((4, 64, 16, 16), dtype="float32"))
w = fin.tensor(generator.standard_normal((64, 64, 3, 3), dtype="float32"))
step = fin.jit(lambda x, w: fin.nn.functional.relu(fin.nn.functional.conv2d(x, w, padding=1)))
step(x, w)
print(" ".join(repr(float(v)) for v in step(x, w).numpy().ravel()[::97]))
"""


def values(disabled):
    out = run_python(PROGRAM, TINYFIN_DISABLE=disabled, TINYFIN_NEVER_SLOWER="0").stdout  # else some calls are interpreted
    return np.array([float(v) for v in out.split()])


def test_switches_take_other_forms():
    usual, direct, first = values(""), values("winograd"), values("channels-last")
    for other in (direct, first):
        np.testing.assert_allclose(other, usual, rtol=0, atol=1e-4 * np.abs(usual).max())
    assert (usual != direct).any(), "sums in another order differ in the last bits"
    assert (usual != first).any()
