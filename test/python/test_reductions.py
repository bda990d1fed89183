# SPDX-License-Identifier: Apache-2.0
"""Reductions, softmax and losses: values and gradients are PyTorch's."""
import numpy as np
import pytest
from oracle import check, pair, rand, same, torch

import tinyfin as fin
import tinyfin.nn.functional as F

DIMS = [None, 0, 1, -1, (0, 2), (0, 1, 2)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("dim", DIMS, ids=str)
@pytest.mark.parametrize("name", ["sum", "mean"])
def test_sum_and_mean(name, dim, keepdim, dtype):
    if dim is None:
        check(lambda x: getattr(x, name)(), lambda x: getattr(x, name)(), rand(3, 4, 5), dtype=dtype)
    else:
        check(lambda x: getattr(x, name)(dim, keepdim), lambda x: getattr(x, name)(dim, keepdim), rand(3, 4, 5), dtype=dtype)


@pytest.mark.parametrize("dim", [0, 1, -1, (0, 2)], ids=str)
@pytest.mark.parametrize("name", ["amax", "amin"])
def test_amax_and_amin_share_gradient_among_ties(name, dim):
    x = np.round(rand(3, 4, 5))
    check(lambda x: getattr(x, name)(dim), lambda x: getattr(x, name)(dim), x)


@pytest.mark.parametrize("name", ["max", "min"])
def test_max_and_min_of_all(name):
    check(lambda x: getattr(x, name)(), lambda x: getattr(x, name)(), rand(3, 4))


@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("keepdim", [False, True])
def test_argmax(dim, keepdim):
    x, t = pair(rand(4, 6))
    same(x.argmax(dim, keepdim), t.argmax(dim, keepdim))


def test_argmax_takes_the_first_of_equals():
    assert fin.tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 0.0]]).argmax(1).tolist() == [1, 0]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "int64"])
def test_index_of_the_smallest_integer(dtype):
    ends = np.iinfo(dtype)
    x, t = pair(np.array([[3, 0, 1], [ends.max, 5, ends.min], [ends.min, ends.max, 7]], dtype))
    for ours, theirs in zip(x.min(1), t.min(1)):
        same(ours, theirs)


def test_numpy_spellings():
    x, t = pair(rand(3, 4))
    same(x.sum(axis=1, keepdims=True), t.sum(1, keepdim=True))
    same(x.mean(axis=0), t.mean(0))


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "bool"])
def test_sums_of_integers(dtype):
    x, t = pair(np.arange(12).reshape(3, 4) % 5, dtype)
    same(x.sum(), t.sum())
    same(x.sum(1), t.sum(1))


def test_nan_wins():
    x, t = pair(np.array([[1.0, np.nan, 2.0], [1.0, 0.0, 2.0]]))
    same(x.amax(1), t.amax(1))
    same(x.amin(1), t.amin(1))


def test_sum_of_nothing_is_zero():
    x, t = pair(np.zeros((0, 3)))
    same(x.sum(), t.sum())
    same(x.sum(0), t.sum(0))


def test_sum_of_many_floats_is_accurate():
    x = np.full(1_000_003, 0.1, dtype="float32")
    assert abs(fin.from_numpy(x).sum().item() - x.astype("float64").sum()) < 0.1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax(name, dim, dtype):
    check(lambda x: getattr(x, name)(dim), lambda x: getattr(torch, name)(x, dim), rand(5, 7, 3), dtype=dtype)


def test_softmax_of_large_values():
    x, t = pair(np.array([[1000.0, 1001.0, -1000.0]]), "float32")
    same(x.softmax(1), t.softmax(1))
    same(x.log_softmax(1), t.log_softmax(1))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
class TestLosses:
    def test_cross_entropy(self, reduction, dtype):
        labels = np.arange(6) % 4
        check(lambda x, y: F.cross_entropy(x, y, reduction), lambda x, y: torch.nn.functional.cross_entropy(x, y, reduction=reduction),
              rand(6, 4), labels, dtype=dtype)

    def test_cross_entropy_of_images(self, reduction, dtype):
        labels = (np.arange(2 * 3 * 2) % 4).reshape(2, 3, 2)
        check(lambda x, y: F.cross_entropy(x, y, reduction), lambda x, y: torch.nn.functional.cross_entropy(x, y, reduction=reduction),
              rand(2, 4, 3, 2), labels, dtype=dtype)

    def test_label_smoothing(self, reduction, dtype):
        labels = np.arange(6) % 4
        check(lambda x, y: F.cross_entropy(x, y, reduction, 0.1),
              lambda x, y: torch.nn.functional.cross_entropy(x, y, reduction=reduction, label_smoothing=0.1), rand(6, 4), labels, dtype=dtype)

    def test_mse(self, reduction, dtype):
        check(lambda x, y: F.mse_loss(x, y, reduction), lambda x, y: torch.nn.functional.mse_loss(x, y, reduction=reduction),
              rand(6, 4), rand(6, 4, seed=1), dtype=dtype)

    def test_bce_with_logits(self, reduction, dtype):
        check(lambda x, y: F.binary_cross_entropy_with_logits(x, y, reduction),
              lambda x, y: torch.nn.functional.binary_cross_entropy_with_logits(x, y, reduction=reduction),
              rand(6, 4, low=-30, high=30), rand(6, 4, seed=1, low=0, high=1), dtype=dtype)


def test_label_out_of_range_is_an_error():
    with pytest.raises(Exception, match="label"):
        F.cross_entropy(fin.zeros((2, 3)), fin.tensor([0, 3])).item()
