# SPDX-License-Identifier: Apache-2.0
"""Views and in-place ops: a write shows where PyTorch shows it, or is an error; never a silent no-op."""
import pytest
from oracle import pair, rand, same, torch

import tinyfin as fin

VIEWS = {"slice": lambda x: x[1:3], "row": lambda x: x[1], "column": lambda x: x[:, 2], "step": lambda x: x[::2, ::2], "reshape": lambda x: x.view(24),
         "transpose": lambda x: x.transpose(0, 1), "T": lambda x: x.T, "unsqueeze": lambda x: x.unsqueeze(1), "chain": lambda x: x.T[1:].T[0],
         "detach": lambda x: x.detach()}


@pytest.mark.parametrize("name", VIEWS)
def test_a_write_to_a_view_shows_in_its_base(name, mode):
    x, t = pair(rand(4, 6))
    VIEWS[name](x).mul_(2).add_(1)
    VIEWS[name](t).mul_(2).add_(1)
    same(x, t)


@pytest.mark.parametrize("name", VIEWS)
def test_a_write_to_the_base_shows_in_a_view(name, mode):
    x, t = pair(rand(4, 6))
    v, tv = VIEWS[name](x), VIEWS[name](t)
    x.mul_(3)
    t.mul_(3)
    same(v, tv)


@pytest.mark.parametrize("first", VIEWS)
@pytest.mark.parametrize("second", ["slice", "transpose", "step"])
def test_two_views_of_one_base(first, second):
    x, t = pair(rand(4, 6))
    v, tv, w, tw = VIEWS[first](x), VIEWS[first](t), VIEWS[second](x), VIEWS[second](t)
    w.fill_(5.0)
    tw.fill_(5.0)
    v.add_(1.0)
    tv.add_(1.0)
    same(v, tv)
    same(w, tw)
    same(x, t)


@pytest.mark.parametrize("name, args", [("add_", (2.0,)), ("sub_", (2.0,)), ("mul_", (2.0,)), ("div_", (2.0,)), ("zero_", ()), ("fill_", (3.0,))])
def test_in_place_methods(name, args, mode):
    x, t = pair(rand(3, 4))
    assert getattr(x, name)(*args) is x
    getattr(t, name)(*args)
    same(x, t)


def test_in_place_operators():
    x, t = pair(rand(3, 4))
    y, u = x, t
    x += 1
    x *= 2
    x -= 0.5
    x /= 3
    t += 1
    t *= 2
    t -= 0.5
    t /= 3
    same(y, u)
    assert x is y


def test_in_place_keeps_the_dtype():
    x = fin.ones((2,), dtype=fin.float32)
    x.add_(fin.ones((2,), dtype=fin.float64))
    assert x.dtype == fin.float32
    with pytest.raises((TypeError, RuntimeError, ValueError)):
        fin.ones((2,), dtype=fin.int64).add_(1.5)


def test_in_place_cannot_grow():
    with pytest.raises((ValueError, RuntimeError)):
        fin.ones((2,)).add_(fin.ones((3, 2)))


def test_write_to_an_expanded_view_is_an_error():
    with pytest.raises((ValueError, RuntimeError), match="expand"):
        fin.zeros((1, 3)).expand(4, 3).add_(1)


def test_write_to_a_leaf_that_requires_grad_is_an_error():
    x = fin.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        x.add_(1)
    with fin.no_grad():
        x.add_(1)
    assert x.tolist() == [2, 3]


def test_gradient_through_in_place():
    x, t = pair(rand(3, 4), grad=True)
    for a in (x, t):
        y = a * 2
        y.mul_(3)
        y[0] = y[1].clone() * a[2]
        y.sum().backward()
    same(x.grad, t.grad)


def test_gradient_through_a_view_written_in_place():
    x, t = pair(rand(4, 6), grad=True)
    for a in (x, t):
        y = a * 1
        y.view(24)[3:9].mul_(a.reshape(24)[:6])
        (y * y).sum().backward()
    same(x.grad, t.grad)


def test_saved_values_do_not_change_under_the_tape():
    # The tape holds immutable values, so unlike PyTorch this is no error: the gradient is that of the value used.
    x = fin.tensor([2.0], requires_grad=True)
    w = fin.tensor([3.0])
    y = x * w
    w.fill_(100.0)
    y.sum().backward()
    assert x.grad.tolist() == [3.0]


def test_copy_into_a_slice():
    x = fin.zeros((3, 4))
    x[1].copy_(fin.ones((4,)))
    assert x.tolist() == [[0] * 4, [1] * 4, [0] * 4]


def test_clone_is_independent():
    x = fin.zeros((3,))
    y = x.clone()
    y.add_(1)
    assert x.tolist() == [0, 0, 0]
