# SPDX-License-Identifier: Apache-2.0
"""What a jitted function's arguments are: tensors by type, numbers at run time, everything else by value or identity."""
import functools
import math

import numpy as np
import pytest
from oracle import rand

import tinyfin as fin
from tinyfin import nn


def recordings(jitted):
    """How many variants were made."""
    return jitted.cache_info()["signatures"]


def values(*shape, seed=0):
    array = rand(*shape, seed=seed, dtype="float32")
    return array, fin.from_numpy(array)


def test_float_and_int_numbers_are_runtime_scalars():
    @fin.jit(fullgraph=True)
    def f(x, scale, n):
        return x * scale + n, x / n, scale - x, x ** 2 > scale

    a, x = values(7)
    for i, scale in enumerate([0.5, -2.0, 3.25, 1e3, 0.0]):
        found = f(x, scale, i + 1)
        np.testing.assert_allclose(found[0].numpy(), a * np.float32(scale) + (i + 1), rtol=1e-6)
        np.testing.assert_allclose(found[1].numpy(), a / (i + 1), rtol=1e-6)
        np.testing.assert_allclose(found[2].numpy(), np.float32(scale) - a, rtol=1e-6)
        assert found[3].tolist() == (a ** 2 > scale).tolist()
    assert f.cache_info() == {"hits": 3, "signatures": 1, "demoted": 0}


def test_number_arguments_promote_as_numbers():
    @fin.jit(fullgraph=True)
    def f(x, i, number):
        return x + number, i + number, x + i * number

    x, i = fin.tensor([1.0]), fin.tensor([2])
    for number in (2.5, 3.5, 4.5):
        found = f(x, i, number)
        assert [t.dtype for t in found] == [fin.float32] * 3
        assert [t.item() for t in found] == [1 + number, 2 + number, 1 + 2 * number]
    for number in (2, 3, 4):
        found = f(x, i, number)
        assert [t.dtype for t in found] == [fin.float32, fin.int64, fin.float32]
        assert [t.item() for t in found] == [1 + number, 2 + number, 1 + 2 * number]
    assert recordings(f) == 2


USES = {
    "range": lambda x, n: sum((x * i for i in range(n)), x),
    "branch": lambda x, n: x + 1 if n > 3 else x - 1,
    "slice": lambda x, n: x[:n].sum(),
    "index": lambda x, n: x[n],
    "zeros": lambda x, n: x.sum() + fin.zeros(n).sum() + fin.ones(n).sum(),
    "reshape": lambda x, n: x[:4].reshape(2, 2)[n % 2],
    "sqrt": lambda x, n: x * math.sqrt(n),
    "arithmetic": lambda x, n: x * (2 ** n - 1),
    "format": lambda x, n: x + len(f"{n:>5}") + len(str(n)),
    "keys": lambda x, n: x * {2: 1.0, 4: 5.0, 6: 7.0}[n],
    "power": lambda x, n: x ** n,
}


@pytest.mark.parametrize("name", USES)
def test_numbers_used_as_python_are_part_of_the_signature(name):
    f = fin.jit(USES[name], fullgraph=True)
    a, x = values(9)
    for n in (2, 4, 2, 6, 4, 2, 6, 4, 2, 6):
        np.testing.assert_allclose(f(x, n).numpy(), USES[name](x, n).numpy(), rtol=1e-6)
    assert recordings(f) == (1 if name == "power" and f.explain()[0]["verified"] and len(f.explain()) == 1 else 3)
    assert f.cache_info()["hits"] >= 4


def test_isinstance_of_numbers_is_python_s():
    f = fin.jit(lambda x, n, r: x + (1 if isinstance(n, int) else 10) + (100 if isinstance(r, float) else 1000), fullgraph=True)
    for n in range(4):
        assert f(fin.tensor(0.0), n, 0.5 + n).item() == 101
    assert f.cache_info()["hits"] == 2


def test_a_step_that_is_python_is_bounded():
    f = fin.jit(lambda x, n: x * math.sqrt(n), max_recompiles=3)
    for n in range(1, 9):
        assert f(fin.tensor(2.0), n).item() == pytest.approx(2 * math.sqrt(n))
    assert "max_recompiles=3" in f.explain()[0]["demoted"]


def test_bools_strings_and_none_are_static():
    @fin.jit(fullgraph=True)
    def f(x, flag, how=None):
        y = x + 1 if flag else x - 1
        return y.sum() if how == "sum" else y.mean() if how == "mean" else y

    a, x = values(6)
    for _ in range(3):
        for flag in (True, False):
            for how in (None, "sum", "mean"):
                wanted = a + (1 if flag else -1)
                wanted = wanted.sum() if how == "sum" else wanted.mean() if how == "mean" else wanted
                np.testing.assert_allclose(f(x, flag, how).numpy(), wanted, rtol=1e-6)
                np.testing.assert_allclose(f(x, flag=flag, how=how).numpy(), wanted, rtol=1e-6)
    assert recordings(f) == 12  # 6 by position, 6 by name


def test_static_argnames():
    f = fin.jit(lambda x, *, n: sum((x * i for i in range(n)), x), static_argnames=("n",), fullgraph=True)
    a, x = values(3)
    for n in (2, 3, 2, 3, 2, 3):
        np.testing.assert_allclose(f(x, n=n).numpy(), a * (1 + sum(range(n))), rtol=1e-6)
    assert f.cache_info() == {"hits": 2, "signatures": 2, "demoted": 0}


def test_static_argnames_by_position():
    f = fin.jit(lambda x, n: x.reshape(n, -1).sum(1), static_argnames="n", fullgraph=True)
    a, x = values(12)
    for n in (2, 3, 2, 3, 2, 3):
        np.testing.assert_allclose(f(x, n).numpy(), a.reshape(n, -1).sum(1), rtol=1e-5)
    assert f.cache_info() == {"hits": 2, "signatures": 2, "demoted": 0}


def test_structures_in_and_out():
    @fin.jit(fullgraph=True)
    def f(batch, *rest, **named):
        x, (y, z) = batch["x"], batch["yz"]
        return {"sum": x + y, "pair": (y * z, [x, named["w"] + rest[0]]), "name": "fixed", "none": None}

    arrays = [rand(4, seed=i, dtype="float32") for i in range(5)]
    for _ in range(4):
        x, y, z, w, r = map(fin.from_numpy, arrays)
        found = f({"x": x, "yz": [y, z]}, r, w=w)
        assert list(found) == ["sum", "pair", "name", "none"] and found["name"] == "fixed" and found["none"] is None
        assert isinstance(found["pair"], tuple) and isinstance(found["pair"][1], list)
        assert found["pair"][1][0] is x
        np.testing.assert_array_equal(found["sum"].numpy(), arrays[0] + arrays[1])
        np.testing.assert_array_equal(found["pair"][0].numpy(), arrays[1] * arrays[2])
        np.testing.assert_array_equal(found["pair"][1][1].numpy(), arrays[3] + arrays[4])
    assert f.cache_info()["hits"] == 2


def test_shapes_dtypes_and_empty_batches_are_signatures():
    f = fin.jit(lambda x: (x * 2 + 1, x.sum()), fullgraph=True)
    for _ in range(3):
        for shape in ((3,), (0,), (2, 3), (0, 3)):
            for dtype in ("float32", "int64"):
                array = rand(*shape, dtype="float32").astype(dtype)
                twice, total = f(fin.from_numpy(array))
                np.testing.assert_allclose(twice.numpy(), array * 2 + 1, rtol=1e-6)
                np.testing.assert_allclose(total.numpy(), array.sum(), rtol=1e-5)
    assert f.cache_info() == {"hits": 8, "signatures": 8, "demoted": 0}


def test_the_same_tensor_twice():
    f = fin.jit(lambda x, y: x * y - x, fullgraph=True)
    for i in range(4):
        a, x = values(3, seed=i)
        b, y = values(3, seed=50 + i)
        np.testing.assert_allclose(f(x, x).numpy(), a * a - a, rtol=1e-6)
        np.testing.assert_allclose(f(x, y).numpy(), a * b - a, rtol=1e-6)
    assert f.cache_info() == {"hits": 4, "signatures": 2, "demoted": 0}


def test_writes_to_an_argument_that_was_passed_twice():
    def f(x, y):
        x.add_(1)
        return x * y

    g = fin.jit(f, fullgraph=True)
    for _ in range(4):
        x, z = fin.tensor([2.0]), fin.tensor([2.0])
        assert g(x, x).item() == f(z, z).item() == 9
        assert x.item() == z.item() == 3


def test_a_captured_tensor_as_argument():
    w = fin.tensor([3.0])
    f = fin.jit(lambda x: x * w, fullgraph=True)
    for value in (2.0, 4.0, 5.0):
        assert f(w).item() == 9
        assert f(fin.tensor([value])).item() == 3 * value
    for value in (2.0, 4.0, 5.0):  # what is known now needs no Python
        hits = f.cache_info()["hits"]
        assert f(fin.tensor([value])).item() == 3 * value
        assert f.cache_info()["hits"] == hits + 1


def test_a_captured_tensor_as_argument_first():
    w = fin.tensor([3.0])
    f = fin.jit(lambda x: x * w, fullgraph=True)
    assert [f(w).item() for _ in range(4)] == [9.0] * 4
    assert [f(fin.tensor([v])).item() for v in (1.0, 2.0, 5.0, 7.0)] == [3.0, 6.0, 15.0, 21.0]
    assert f(w).item() == 9


def test_the_same_arguments_again_and_then_others():
    f = fin.jit(lambda x, y: x - y, fullgraph=True)
    x, y = fin.tensor([5.0]), fin.tensor([1.0])
    assert [f(x, y).item() for _ in range(4)] == [4.0] * 4
    assert f(y, x).item() == -4
    assert f(fin.tensor([9.0]), y).item() == 8
    hits = f.cache_info()["hits"]
    assert f(fin.tensor([7.0]), fin.tensor([5.0])).item() == 2
    assert f.cache_info()["hits"] == hits + 1 and recordings(f) == 1


def test_numpy_arrays_are_not_frozen():
    f = fin.jit(lambda x, a: x + fin.from_numpy(a))
    array = np.zeros(2, "float32")
    for i in range(5):
        array[:] = i
        assert f(fin.tensor([1.0, 1.0]), array).tolist() == [1.0 + i] * 2
    assert "numpy" in f.explain()[0]["demoted"]


def test_pending_arguments():
    f = fin.jit(lambda x: x + 1, fullgraph=True)
    for i in range(4):
        x = fin.tensor([1.0]) * i  # not computed yet
        assert f(x).item() == i + 1
        assert x.item() == i


def test_views_as_arguments():
    f = fin.jit(lambda x: x * 10, fullgraph=True)
    base = fin.from_numpy(np.arange(6, dtype="float32").reshape(2, 3))
    for i in range(5):
        assert f(base.T[0]).tolist() == [10.0 * i, 30.0 + 10.0 * i]
        assert f(base[1]).tolist() == [30.0 + 10 * i, 40.0 + 10 * i, 50.0 + 10 * i]
        base.add_(1)


def test_results_do_not_share_with_arguments_or_later_calls():
    f = fin.jit(lambda x: (x.clone(), x + 0), fullgraph=True)
    x = fin.tensor([1.0, 2.0])
    kept = []
    for i in range(5):
        x.fill_(float(i))
        kept += f(x)
        kept[-1].add_(100)
    assert [t.tolist() for t in kept[::2]] == [[float(i)] * 2 for i in range(5)]
    assert [t.tolist() for t in kept[1::2]] == [[100.0 + i] * 2 for i in range(5)]


def test_an_argument_returned_is_that_tensor():
    w = nn.Parameter(fin.tensor([1.0]))
    f = fin.jit(lambda x: (x, w, x + w), fullgraph=True)
    for i in range(4):
        x = fin.tensor([float(i)])
        same, parameter, total = f(x)
        assert same is x and parameter is w and total.item() == i + 1


class Scaled:
    def __init__(self, factor):
        self.factor = fin.tensor(factor)

    @fin.jit
    def apply(self, x):
        return x * self.factor


def test_methods():
    two, three = Scaled(2.0), Scaled(3.0)
    for i in range(4):
        assert two.apply(fin.tensor(1.0 * i)).item() == 2 * i
        assert three.apply(fin.tensor(1.0 * i)).item() == 3 * i
    assert Scaled.apply.cache_info() == {"hits": 4, "signatures": 2, "demoted": 0}
    assert Scaled.apply.__name__ == "apply"


def test_modules_partials_and_lambdas():
    layer = nn.Linear(3, 2)
    a, x = values(4, 3)
    wanted = layer(x).detach().numpy()
    with fin.no_grad():
        for f in (fin.jit(layer), fin.jit(functools.partial(lambda m, x: m(x), layer)), fin.jit(lambda x: layer(x)), fin.jit(layer.forward)):
            for _ in range(4):
                np.testing.assert_allclose(f(x).numpy(), wanted, rtol=1e-6)
            assert f.cache_info() == {"hits": 2, "signatures": 1, "demoted": 0}


def test_nested_jit_is_part_of_the_outer_graph():
    inner = fin.jit(lambda x: x * 2, fullgraph=True)
    outer = fin.jit(lambda x: inner(x) + inner(x + 1), fullgraph=True)
    for i in range(4):
        assert outer(fin.tensor(1.0 * i)).item() == 4 * i + 2
    assert outer.cache_info()["hits"] == 2
    assert inner.cache_info() == {"hits": 0, "signatures": 0, "demoted": 0}
    assert inner(fin.tensor(4.0)).item() == 8


def test_options_are_checked():
    with pytest.raises(ValueError, match="fallback"):
        fin.jit(lambda x: x, fallback="sometimes")
    with pytest.raises(ValueError, match="device"):
        fin.jit(lambda x: x, device="tpu")


def test_options_that_are_not_there_say_so():
    with pytest.raises(NotImplementedError, match="every shape gets a graph of its own"):
        fin.jit(lambda x: x, dynamic=True)
    with pytest.raises(ValueError, match="wanted .cpu."):
        fin.jit(lambda x: x, device="cuda")
