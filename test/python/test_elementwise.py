# SPDX-License-Identifier: Apache-2.0
"""Elementwise ops: values and gradients are PyTorch's."""
import numpy as np
import pytest
from oracle import check, pair, rand, same, torch

import tinyfin as fin

UNARY = {"exp": (-2, 2), "log": (0.1, 3), "sqrt": (0.1, 3), "rsqrt": (0.1, 3), "square": (-2, 2), "reciprocal": (0.3, 2), "tanh": (-3, 3),
         "erf": (-3, 3), "sin": (-6, 6), "cos": (-6, 6), "abs": (-2, 2), "neg": (-2, 2), "relu": (-2, 2), "sigmoid": (-5, 5)}
BINARY = ["add", "sub", "mul", "div", "maximum", "minimum"]
COMPARE = ["eq", "ne", "lt", "le", "gt", "ge"]
SHAPES = [((3, 4), (3, 4)), ((3, 4), (4,)), ((3, 1), (1, 4)), ((), (2, 3)), ((2, 1, 3), (4, 1)), ((0, 3), (1, 3))]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", UNARY)
def test_unary(name, dtype):
    low, high = UNARY[name]
    check(lambda x: getattr(x, name)(), lambda x: getattr(torch, name)(x), rand(5, 17, low=low, high=high), dtype=dtype)


@pytest.mark.parametrize("name", ["exp", "tanh", "sigmoid", "erf", "log", "sqrt", "sin"])
def test_unary_of_extreme_values(name):
    ours, theirs = pair(np.array([0.0, -0.0, 1e-30, -1e-30, 20, -20, 88, 100, -100, np.inf, -np.inf, np.nan]), "float32")
    same(getattr(ours, name)(), getattr(torch, name)(theirs))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["sin", "cos"])
def test_sin_and_cos_of_large_numbers(name, dtype):
    exponents = [5, 9, 12.5, 15, 18, 25, 30, 37] + ([60, 150, 300, 307] if dtype == "float64" else [])
    ours, theirs = pair(np.array([sign * rand(3, low=1, high=9) * 10**e for e in exponents for sign in (1, -1)]), dtype)
    function = fin.jit(lambda x: getattr(x, name)() * 1)  # its third call runs compiled code
    for _ in range(3):
        same(function(ours), getattr(torch, name)(theirs.double()).to(theirs.dtype))


def test_compiled_tanh_reaches_one():
    x = fin.tensor([-1e30, -20.0, -9.0, 9.0, 20.0, 1e30] * 4)
    function = fin.jit(lambda x: (x.tanh() * 1, fin.nn.functional.gelu(x, "tanh")))
    for _ in range(3):
        tanh, gelu = function(x)
    assert tanh.tolist() == [-1, -1, -1, 1, 1, 1] * 4
    assert gelu.tolist() == fin.where(x < 0, 0.0, x).tolist()


def test_sign():  # of NaN it is NaN, as in NumPy
    np.testing.assert_array_equal(fin.from_numpy(np.array([np.nan, 0.0, -3.0, 2.0])).sign().numpy(), [np.nan, 0.0, -1.0, 1.0])


@pytest.mark.parametrize("name", ["relu", "abs"])
def test_nan_stays_nan(name):
    ours, theirs = pair(np.array([np.nan, 0.0, -1.0, 3.0]))
    same(getattr(ours, name)(), getattr(torch, name)(theirs))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("name", BINARY)
def test_binary_broadcasts(name, shapes, dtype):
    a, b = (rand(*s, seed=i, low=0.5) for i, s in enumerate(shapes))
    check(lambda x, y: getattr(x, name)(y), lambda x, y: getattr(torch, name)(x, y), a, b, dtype=dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pow(dtype):
    check(lambda x, y: x**y, lambda x, y: x**y, rand(4, 5, low=0.2), rand(4, 5, seed=1), dtype=dtype, scale=3)


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, -1, 0.5, -0.5, 2.5])
def test_pow_of_number(exponent):
    check(lambda x: x**exponent, lambda x: x**exponent, rand(7, low=0.3), dtype="float64")


def test_pow_base_number():
    check(lambda x: 2.0**x, lambda x: 2.0**x, rand(7))


@pytest.mark.parametrize("dtype", ["float32", "int64", "int32", "uint8", "bool"])
@pytest.mark.parametrize("name", COMPARE)
def test_compare(name, dtype):
    a, b = np.arange(12).reshape(3, 4) % 3, np.arange(4) % 2
    (x, tx), (y, ty) = pair(a, dtype), pair(b, dtype)
    same(getattr(x, name)(y), getattr(torch, name)(tx, ty))


@pytest.mark.parametrize("name", ["logical_and", "logical_or", "logical_xor"])
def test_logical(name):
    (x, tx), (y, ty) = pair(np.array([True, True, False, False])), pair(np.array([True, False, True, False]))
    same(getattr(x, name)(y), getattr(torch, name)(tx, ty))
    same(x.logical_not(), tx.logical_not())


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "int8"])
@pytest.mark.parametrize("name", ["add", "sub", "mul", "maximum", "minimum"])
def test_integer_arithmetic(name, dtype):
    (x, tx), (y, ty) = pair(np.array([1, 7, 100, 0]), dtype), pair(np.array([3, 2, 1, 5]), dtype)
    same(getattr(x, name)(y), getattr(torch, name)(tx, ty))


def test_integer_division_is_true_division():
    (x, tx), (y, ty) = pair(np.array([1, 7, -100])), pair(np.array([2, 2, 3]))
    same(x / y, tx / ty)
    same(x / 2, tx / 2)


@pytest.mark.parametrize("low, high", [(-0.5, 0.5), (None, 0.5), (-0.5, None)])
def test_clamp(low, high):
    check(lambda x: x.clamp(low, high), lambda x: x.clamp(low, high), rand(5, 6))


def test_where_routes_gradients():
    condition = rand(4, 5) > 0
    check(lambda c, x, y: fin.where(c, x, y), lambda c, x, y: torch.where(c, x, y), condition, rand(4, 5, seed=1), rand(5, seed=2))


def test_where_with_numbers():
    c, tc = pair(np.array([True, False]))
    x, tx = pair(np.array([1.5, 2.5]))
    same(fin.where(c, x, 0.0), torch.where(tc, tx, 0.0))


@pytest.mark.parametrize("to", ["float32", "float64", "bfloat16", "float16", "int64", "int32", "int8", "uint8", "bool"])
@pytest.mark.parametrize("of", ["float32", "float64", "int64", "uint8", "bool", "bfloat16"])
def test_cast(of, to):
    from oracle import DTYPES
    x, t = pair(np.array([0.0, 1.0, 1.7, 100.3, 3.5]), of)
    same(x.to(DTYPES[to][0]), t.to(DTYPES[to][1]), tolerance=0)


def test_cast_carries_gradients():
    check(lambda x: x.to(fin.float32) * 2, lambda x: x.to(torch.float32) * 2, rand(4))


OPERATORS = {"+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b}


@pytest.mark.parametrize("number", [2, 2.5, True])
@pytest.mark.parametrize("operator", OPERATORS)
def test_operators_with_numbers(operator, number):
    if operator == "-" and number is True:
        number = 3
    f = OPERATORS[operator]
    check(lambda x: f(x, number), lambda x: f(x, number), rand(3, low=1))
    check(lambda x: f(number, x), lambda x: f(number, x), rand(3, low=1))


def test_unary_operators():
    check(lambda x: -x + abs(x), lambda x: -x + abs(x), rand(6))


@pytest.mark.parametrize("tanh", ["none", "tanh"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gelu(tanh, dtype):
    gelu = torch.nn.functional.gelu
    check(lambda x: fin.nn.functional.gelu(x, tanh), lambda x: gelu(x, approximate=tanh), rand(9, 5, low=-4, high=4), dtype=dtype)


@pytest.mark.parametrize("name", ["exp", "add", "mul", "relu", "sum"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_types(name, dtype):
    x, t = pair(rand(4, 9), dtype)
    args = (x,), (t,)
    if name in ("add", "mul"):
        y, ty = pair(rand(9, seed=3), dtype)
        args = (x, y), (t, ty)
    same(getattr(fin, name)(*args[0]), getattr(torch, name)(*args[1]))
