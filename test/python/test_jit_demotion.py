# SPDX-License-Identifier: Apache-2.0
"""What no graph can hold: observations, escaping values, Python effects. The function still does what eager code does, and says why
it is not compiled."""
import numpy as np
import pytest

import tinyfin as fin
from tinyfin import nn

OBSERVE = {
    "item": lambda t: t.sum().item(), "float": lambda t: float(t.sum()), "bool": lambda t: bool(t.sum() > 0), "branch": lambda t: 1 if t.sum() > 0 else 2,
    "numpy": lambda t: t.numpy().sum(), "tolist": lambda t: t.tolist()[0], "sync": lambda t: fin.sync() or 0}


def line_of(text):
    return next(i for i, line in enumerate(open(__file__), 1) if text in line and "line_of" not in line)


@pytest.mark.parametrize("how", OBSERVE)
def test_observations(how):
    total = fin.tensor([0.0, 0.0])
    observe = OBSERVE[how]

    def step(x):
        y = x * 2
        seen = observe(y)  # observed here
        total.add_(y)
        return y + seen

    f, g = fin.jit(step), step
    for i in range(5):
        x = fin.tensor([1.0, 2.0 * i])
        total.zero_()
        found, state = f(x).tolist(), total.tolist()
        total.zero_()
        assert (found, state) == (g(x).tolist(), total.tolist())
    reason = f.explain()[0]["demoted"]
    assert "needs a value" in reason and "test_jit_demotion.py:" in reason
    assert f.cache_info()["hits"] == 0 and f.cache_info()["demoted"] == 1


@pytest.mark.parametrize("how", [name for name in OBSERVE if name != "sync"])
@pytest.mark.parametrize("what", ["argument", "captured"])
def test_observations_of_what_is_there_already(how, what):
    w = fin.tensor([1.0, 1.0])
    f = fin.jit(lambda x: x * 2 + OBSERVE[how](x if what == "argument" else w))
    for number in (1.0, 1.0, 1.0, -2.0, 3.0):
        w.fill_(number)
        x = fin.tensor([number, number])
        assert f(x).tolist() == (x * 2 + OBSERVE[how](x)).tolist()
    assert "needs a value" in f.explain()[0]["demoted"]


@pytest.mark.parametrize("options", [{"fullgraph": True}, {"fallback": "error"}])
def test_fullgraph_makes_it_an_error_and_undoes_it(options):
    total = fin.tensor([1.0])

    @fin.jit(**options)
    def f(x):
        total.add_(x)
        if total.sum() > 0:  # the branch
            total.mul_(2)
        return total * 1

    for _ in range(3):
        with pytest.raises(RuntimeError, match=rf"fullgraph=True.*test_jit_demotion.py:{line_of('# the branch')}"):
            f(fin.tensor([1.0]))
        assert total.item() == 1
    assert fin.tensor([2.0]).item() == 2  # and what comes after it works


ESCAPES = []


class Keeper:
    kept = None


ESCAPE = {"list": lambda keeper, y: ESCAPES.append(y), "attribute": lambda keeper, y: setattr(keeper, "kept", y),
          "closure": lambda keeper, y: setattr(keeper, "kept", (lambda: y)), "dict": lambda keeper, y: ESCAPES.append({"y": [y]})}


@pytest.mark.parametrize("returned", [False, True])
@pytest.mark.parametrize("how", ESCAPE)
def test_escaping_values(how, returned):
    ESCAPES.clear()
    keeper = Keeper()

    @fin.jit
    def f(x):
        y = x * 2
        ESCAPE[how](keeper, y)
        return y if returned else y + 1

    for i in range(5):
        assert f(fin.tensor(float(i))).item() == 2 * i + (not returned)
        kept = ESCAPES[-1] if ESCAPES else keeper.kept
        kept = kept() if callable(kept) else kept["y"][0] if isinstance(kept, dict) else kept
        assert kept.item() == 2 * i
    assert len(ESCAPES) == (5 if how in ("list", "dict") else 0)
    reason = f.explain()[0]["demoted"]
    assert "kept" in reason and f"test_jit_demotion.py:{line_of('        y = x * 2') }" in reason or "test_jit_demotion.py" in reason


def test_escapes_with_fullgraph_are_errors():
    kept = []

    @fin.jit(fullgraph=True)
    def f(x):
        kept.append(x * 2)
        return x + 1

    with pytest.raises(RuntimeError, match="kept.*test_jit_demotion.py"):
        f(fin.tensor(1.0))


def test_what_is_not_an_escape():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(fin.tensor([2.0]))
            self.register_buffer("seen", fin.tensor([0.0]))

        def forward(self, x):
            parts = [x * self.w, (x * self.w).exp()]
            self.seen.add_(x.detach())
            again = lambda: parts[0] + parts[1]  # noqa: E731
            return {"y": again(), "parts": parts, "nested": ({"x": x},)}

    model = Model()
    f = fin.jit(model, fullgraph=True)
    with fin.no_grad():
        for i in range(4):
            found = f(fin.tensor([0.5]))
            np.testing.assert_allclose(found["y"].item(), 1 + np.e, rtol=1e-6)
            assert [round(p.item(), 4) for p in found["parts"]] == [1.0, round(np.e, 4)]
            assert model.seen.item() == 0.5 * (i + 1)
    assert f.cache_info()["hits"] == 2


def test_values_in_garbage_cycles_are_no_escapes():
    class Node:
        pass

    @fin.jit(fullgraph=True)
    def f(x):
        node = Node()
        node.self, node.value = node, x * 2
        return node.value + 1

    assert [f(fin.tensor(float(i))).item() for i in range(4)] == [1, 3, 5, 7]
    assert f.cache_info()["hits"] == 2


def test_a_namedtuple_result_is_kept_whole():
    from collections import namedtuple

    Pair = namedtuple("Pair", "first second")
    f = fin.jit(lambda x: Pair(x + 1, [x * 2]))
    for i in range(4):
        found = f(fin.tensor(float(i)))
        assert isinstance(found, Pair) and found.first.item() == i + 1 and found.second[0].item() == 2 * i
    assert f.cache_info()["hits"] == 2


def test_a_result_type_that_is_not_known():
    class Box:
        def __init__(self, value):
            self.value = value

    f = fin.jit(lambda x: Box(x + 1))
    assert [f(fin.tensor(float(i))).value.item() for i in range(4)] == [1, 2, 3, 4]
    assert f.explain()[0]["demoted"]


def test_seeds_inside_demote():
    @fin.jit
    def f(x):
        fin.manual_seed(1)
        return x + fin.rand(3)

    wanted = [f(fin.zeros(3)).tolist() for _ in range(4)]
    assert wanted == [wanted[0]] * 4
    assert "random" in f.explain()[0]["demoted"]


def test_data_from_numpy_that_changes():
    source = np.random.default_rng(0)
    f = fin.jit(lambda x: x + fin.from_numpy(source.normal(size=2).astype("float32")))
    found = [f(fin.zeros(2)).tolist() for _ in range(5)]
    assert len({tuple(row) for row in found}) == 5
    assert "data" in f.explain()[0]["demoted"]


def test_python_control_flow_that_changes():
    calls = []

    @fin.jit
    def f(x):
        calls.append(1)
        return x * 2 if len(calls) % 2 else x * 2 + 1

    assert [f(fin.tensor(1.0)).item() for _ in range(4)] == [2, 3, 2, 3]
    assert "other ops" in f.explain()[0]["demoted"]


def test_the_reason_is_in_explain_and_other_signatures_go_on():
    @fin.jit
    def f(x, look):
        return x * (x.sum().item() if look else 2)

    for _ in range(4):
        assert f(fin.tensor([3.0]), True).item() == 9
        assert f(fin.tensor([3.0]), False).item() == 6
    assert sorted(bool(record["demoted"]) for record in f.explain()) == [False, True]
    assert f.cache_info() == {"hits": 2, "signatures": 2, "demoted": 1}
    record = next(record for record in f.explain() if not record["demoted"])
    assert record["verified"] and record["ops"] >= 1 and record["compile_ms"] >= 0
    f.cache_clear()
    assert f.explain() == [] and f(fin.tensor([3.0]), False).item() == 6


def test_shape_errors_are_the_same():
    f = fin.jit(lambda x: x @ fin.ones(3, 2))
    for _ in range(3):
        with pytest.raises(ValueError, match="matmul"):
            f(fin.ones(2, 4))
    assert f(fin.ones(2, 3)).tolist() == [[3.0, 3.0]] * 2
