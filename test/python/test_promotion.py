# SPDX-License-Identifier: Apache-2.0
"""dtypes of results are PyTorch's."""
import itertools

import numpy as np
import pytest
from oracle import DTYPES, pair, torch

import tinyfin as fin

NAMES = [n for n in DTYPES if n not in ("int8", "uint8")]


def ours_of(dtype):
    return next(ours for ours, theirs in DTYPES.values() if theirs == dtype)


@pytest.mark.parametrize("a, b", list(itertools.product(NAMES, NAMES)))
def test_tensor_with_tensor(a, b):
    (x, tx), (y, ty) = pair(np.ones(2), a), pair(np.ones(2), b)
    assert (x + y).dtype == ours_of((tx + ty).dtype)
    assert (x / y).dtype == ours_of((tx / ty).dtype)
    assert fin.promote_types(x.dtype, y.dtype) == (x * y).dtype


@pytest.mark.parametrize("a, b", list(itertools.product(NAMES, NAMES)))
def test_tensor_with_zero_dim_tensor(a, b):
    (x, tx), (y, ty) = pair(np.ones(2), a), pair(np.array(1.0), b)
    assert (x + y).dtype == ours_of((tx + ty).dtype)
    assert (y * x).dtype == ours_of((ty * tx).dtype)


@pytest.mark.parametrize("number", [2, 2.5, True], ids=repr)
@pytest.mark.parametrize("a", NAMES)
def test_tensor_with_number(a, number):
    x, tx = pair(np.ones(2), a)
    assert (x + number).dtype == ours_of((tx + number).dtype)
    assert (number * x).dtype == ours_of((number * tx).dtype)
    assert (x / number).dtype == ours_of((tx / number).dtype)
    assert (x < number).dtype == fin.bool_


@pytest.mark.parametrize("a", NAMES)
def test_sum_dtype(a):
    x, tx = pair(np.ones((2, 3)), a)
    assert x.sum().dtype == ours_of(tx.sum().dtype)


@pytest.mark.parametrize("data, wanted", [([1, 2], "int64"), ([1.5], "float32"), ([True], "bool"), (3, "int64"), (2.5, "float32"), ([1, 2.5], "float32")])
def test_dtype_of_python_data(data, wanted):
    assert fin.tensor(data).dtype == DTYPES[wanted][0]
    assert str(torch.tensor(data).dtype) == f"torch.{wanted}"
