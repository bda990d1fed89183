# SPDX-License-Identifier: Apache-2.0
"""What a jitted function returns: views that share, the same tensor twice, results that carry gradients."""
import numpy as np
from oracle import rand

import tinyfin as fin


def values(*shape, seed=0):
    return fin.from_numpy(rand(*shape, seed=seed, dtype="float32"))


def test_returned_views_share_as_without_jit():
    def body(x, y):
        z = y * 2
        return z[0], z, z.T.reshape(-1), x[1], z, x.detach()[0]

    f, state = fin.jit(body), []
    for call in (f, body):
        x, kept = fin.zeros(3, 2), []
        for i in range(5):
            row, whole, flat, of_argument, again, detached = call(x, values(3, 2, seed=i))
            row.add_(10)
            of_argument.add_(1)
            detached.sub_(1)
            whole[2] = 7
            kept += [row.tolist(), whole.tolist(), flat.tolist(), again.tolist(), of_argument.tolist(), x.tolist()]
        state.append(kept)
    assert state[0] == state[1]
    assert f.cache_info() == {"hits": 3, "signatures": 1, "demoted": 0}


def test_returned_views_carry_gradients():
    def body(x, w):
        y = x * w
        return y, y[1:], w[0]

    f, grads = fin.jit(body), []
    for call in (f, body):
        w = fin.ones(3, 2, requires_grad=True)
        for i in range(5):
            whole, part, of_weight = call(values(3, 2, seed=i), w)
            (whole.sum() + (part * part).sum() + of_weight.sum() * 3).backward()
        grads.append(w.grad.tolist())
    np.testing.assert_allclose(grads[0], grads[1], rtol=1e-5)
    assert f.cache_info()["hits"] == 3


def test_a_tensor_returned_twice_is_one():
    f = fin.jit(lambda x: (lambda y: (y, [y]))(x * 2))
    for i in range(4):
        first, (second,) = f(values(3, seed=i))
        assert first is second


def test_gradients_that_exist_already_do_not_matter_where_nothing_reads_them():
    f, w = fin.jit(lambda x, w: (x * w).sum()), fin.ones(3, requires_grad=True)
    for i in range(6):
        f(values(3, seed=i), w).backward()  # adds to w.grad, which is there from the second call on
    assert f.cache_info() == {"hits": 4, "signatures": 1, "demoted": 0}
    np.testing.assert_allclose(w.grad.numpy(), sum(rand(3, seed=i, dtype="float32") for i in range(6)), rtol=1e-5)
