# SPDX-License-Identifier: Apache-2.0
"""backward(), grad() and the modes of gradient recording."""
import numpy as np
import pytest
from oracle import check, pair, rand, same, torch

import tinyfin as fin


def leaf(*values):
    return fin.tensor(list(values), requires_grad=True)


def test_gradients_accumulate():
    x = leaf(1.0, 2.0)
    (x * 3).sum().backward()
    (x * x).sum().backward()
    assert x.grad.tolist() == [5, 7]


def test_backward_of_many_elements_needs_a_gradient():
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="one element|scalar"):
        (x * 2).backward()
    (x * 2).backward(fin.tensor([1.0, 10.0]))
    assert x.grad.tolist() == [2, 20]


def test_backward_without_requires_grad():
    with pytest.raises(RuntimeError, match="require"):
        fin.tensor(1.0).backward()


def test_a_value_used_many_times():
    def f(x):
        y = x * x
        for _ in range(5):
            y = y + x * y
        return y.sum()
    check(f, f, rand(4))


def test_diamond_and_broadcast():
    check(lambda a, b: ((a + b) * (a - b)).exp().sum(), lambda a, b: ((a + b) * (a - b)).exp().sum(), rand(3, 1), rand(4, seed=1))


def test_no_grad_and_enable_grad():
    x = leaf(1.0)
    with fin.no_grad():
        assert not fin.is_grad_enabled() and not (x * 2).requires_grad
        with fin.enable_grad():
            assert (x * 2).requires_grad
        assert not fin.is_grad_enabled()
    assert fin.is_grad_enabled()


def test_modes_as_decorators():
    x = leaf(1.0)

    @fin.no_grad()
    def f():
        return x * 2

    @fin.no_grad
    def g():
        return x * 2
    assert not f().requires_grad and not g().requires_grad and f.__name__ == "f"


def test_mode_is_restored_after_an_error():
    with pytest.raises(KeyError):
        with fin.no_grad():
            raise KeyError
    assert fin.is_grad_enabled()


def test_grad_returns_and_leaves_alone():
    x, y = leaf(2.0), leaf(3.0)
    gx, gy = fin.grad((x * y * y).sum(), [x, y])
    assert gx.tolist() == [9] and gy.tolist() == [12] and x.grad is None


def test_grad_of_a_middle_value():
    x = leaf(2.0)
    y = x * x
    g, = fin.grad((y * y).sum(), [y])
    assert g.tolist() == [8]


@pytest.mark.parametrize("name", ["exp", "tanh", "sigmoid", "sin", "log", "sqrt", "reciprocal", "square"])
def test_second_derivatives(name):
    x, t = pair(rand(5, low=0.5), grad=True)
    g, = fin.grad(getattr(x, name)().sum(), [x], create_graph=True)
    u, = torch.autograd.grad(getattr(t, name)().sum(), [t], create_graph=True)
    same(g, u)
    same(fin.grad((g * g).sum(), [x])[0], torch.autograd.grad((u * u).sum(), [t])[0], scale=10)


def test_third_derivative():
    x = leaf(2.0)
    g = x**4
    for _ in range(3):
        g, = fin.grad(g.sum(), [x], create_graph=True)
    assert g.tolist() == [48]


def test_detach_cuts():
    x = leaf(2.0)
    (x * x.detach()).sum().backward()
    assert x.grad.tolist() == [2]


def test_leaves_and_results():
    x = leaf(1.0)
    y = x * 2
    assert x.is_leaf and not y.is_leaf and y.requires_grad and y.grad is None and fin.ones((2,)).is_leaf
    assert y.grad_fn is not None and x.grad_fn is None


def test_only_floats_require_grad():
    with pytest.raises((RuntimeError, TypeError, ValueError), match="float"):
        fin.tensor([1, 2]).requires_grad_()


def test_setting_and_clearing_grad():
    x = leaf(1.0, 2.0)
    x.grad = fin.tensor([5.0, 6.0])
    (x * 1).sum().backward()
    assert x.grad.tolist() == [6, 7]
    x.grad = None
    assert x.grad is None
    with pytest.raises((TypeError, ValueError, RuntimeError)):
        x.grad = fin.ones((3,))


def test_gradients_into_integers_and_bools_stop():
    x = leaf(1.5, -2.0)
    assert not (x > 0).requires_grad and not x.to(fin.int64).requires_grad


def test_deep_graphs_do_not_overflow_the_stack():
    x = leaf(1.0)
    y = x
    for _ in range(20000):
        y = y + 0.001
    y.sum().backward()
    assert x.grad.tolist() == [1]


@pytest.mark.parametrize("seed", range(12))
def test_random_expressions(seed):
    """A random chain of ops over three tensors: value and gradients are PyTorch's."""
    generator = np.random.default_rng(seed)
    unary = ["tanh", "sigmoid", "sin", "square", "exp", "abs"]

    def make(library):
        state = np.random.default_rng(seed)

        def f(a, b, c):
            values = [a, b, c]
            for _ in range(12):
                kind = state.integers(5)
                x, y = (values[i] for i in state.integers(len(values), size=2))
                if kind == 0:
                    values.append(getattr(x * 0.3, unary[state.integers(len(unary))])())
                elif kind == 1:
                    values.append(x + y)
                elif kind == 2:
                    values.append(x * y * 0.5)
                elif kind == 3:
                    values.append(x - y.mean(0))
                else:
                    values.append(library.where(x > y, x, y * 0.1))
            return sum(v.sum() for v in values[3:])
        return f
    check(make(fin), make(torch), *(generator.uniform(-1, 1, (4, 3)) for _ in range(3)), scale=100)
