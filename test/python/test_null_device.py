# SPDX-License-Identifier: Apache-2.0
"""Tensors on a device whose memory the host cannot touch: made there, moved there, observed by copies."""

import numpy as np
import pytest
from processes import run_python

import tinyfin as fin


@pytest.fixture
def null_backend():
    """Switches to the null backend when called."""
    before = {name: text for name, text, *_ in fin._core.settings()}["TINYFIN_BACKEND"]
    yield lambda: fin._core.set_backend("null")
    fin._core.set_backend(before)


def test_values_move_to_the_device_that_uses_them(null_backend):
    x = fin.tensor(np.arange(6, dtype=np.float32).reshape(2, 3))
    y = x * 2
    assert y.numpy()[1, 2] == 10
    null_backend()
    z = y + x  # both were made on the host
    assert z.tolist() == [[0, 3, 6], [9, 12, 15]]
    assert float(z.sum()) == 45


def test_values_come_back_from_the_device(null_backend):
    null_backend()
    x = fin.tensor([1.0, 2.0, 3.0])
    y = (x * x).sum()
    assert y.item() == 14
    fin._core.set_backend("interpreter")
    assert (x + 1).tolist() == [2, 3, 4]
    assert (y * 2).item() == 28


def test_arrays_that_share_memory_are_copied_to_the_device(null_backend):
    null_backend()
    array = np.ones(1000, dtype=np.float32)
    x = fin.from_numpy(array, copy=False)
    assert float((x * 3).sum()) == 3000


def test_it_trains():
    script = ("import tinyfin as fin\n"
              "w = fin.tensor([1.0, -1.0], requires_grad=True)\n"
              "optimizer = fin.optim.SGD([w], lr=0.1)\n"
              "for _ in range(5):\n"
              "    optimizer.zero_grad(); loss = (w * w).sum(); loss.backward(); optimizer.step()\n"
              "print(round(float((w * w).sum()), 6))\n")
    outputs = [run_python(script, TINYFIN_BACKEND=name).stdout for name in ("null", "interpreter")]
    assert outputs[0] == outputs[1] != ""
