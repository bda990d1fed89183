# SPDX-License-Identifier: Apache-2.0
"""Calls of jitted functions: from several threads, with what the cache says about them, and what they cost."""
import threading

import numpy as np
import pytest
from oracle import rand

import tinyfin as fin
from tinyfin import nn, optim


def in_threads(work, count=4):
    errors = []

    def guarded(i):
        try:
            work(i)
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors, errors
    assert not any(thread.is_alive() for thread in threads)


def test_one_function_from_several_threads():
    w = fin.from_numpy(rand(64, 64, dtype="float32"))
    f = fin.jit(lambda x: (x @ w).tanh() @ w, fullgraph=True)
    inputs = [rand(32, 64, seed=i, dtype="float32") for i in range(4)]
    wanted = [f(fin.from_numpy(x)).numpy().copy() for x in inputs]

    def work(i):
        for _ in range(30):
            np.testing.assert_allclose(f(fin.from_numpy(inputs[i])).numpy(), wanted[i], rtol=1e-5)

    in_threads(work)
    assert f.cache_info()["demoted"] == 0 and f.cache_info()["signatures"] == 1


def test_one_state_from_several_threads():
    """Every call adds to what the call before left, whichever thread it came from."""
    total = fin.zeros(1000)

    @fin.jit(fullgraph=True)
    def f(x):
        total.add_(x)

    for _ in range(2):
        f(fin.ones(1000))
    in_threads(lambda i: [f(fin.ones(1000)) for _ in range(50)])
    assert total.tolist() == [202.0] * 1000


def test_different_functions_in_different_threads():
    def work(i):
        fin.set_grad_enabled(True)
        p = nn.Parameter(fin.tensor([float(i)]))
        opt = optim.SGD([p], lr=0.5)

        @fin.jit(fullgraph=True)
        def step():
            opt.zero_grad()
            (p * 2).sum().backward()
            opt.step()

        for n in range(20):
            step()
            assert p.item() == i - n - 1
        assert step.cache_info()["hits"] == 18

    in_threads(work)


def test_first_calls_from_several_threads():
    f = fin.jit(lambda x: x * 2 + 1, fullgraph=True)

    def work(i):
        for n in range(1, 20):
            assert f(fin.ones(n)).tolist() == [3.0] * n

    in_threads(work)
    assert f.cache_info()["signatures"] == 19 and f.cache_info()["demoted"] == 0


def test_another_backend_is_another_signature():
    before = next(row[1] for row in fin.settings() if row[0] == "TINYFIN_BACKEND")
    f = fin.jit(lambda x: x * 2 + 1, fullgraph=True)
    try:
        for backend in ("interpreter", "null", "interpreter"):
            fin._core.set_backend(backend)
            for _ in range(3):
                assert f(fin.tensor([1.0, 2.0])).tolist() == [3.0, 5.0]
    finally:
        fin._core.set_backend(before)
    assert f.cache_info() == {"hits": 5, "signatures": 2, "demoted": 0}


def test_the_reason_is_logged(capfd):
    f = fin.jit(lambda x: x * x.item())
    fin._core.set_config("TINYFIN_LOG", "jit")
    try:
        f(fin.tensor(2.0))
    finally:
        fin._core.set_config("TINYFIN_LOG", "")
    assert "needs a value" in capfd.readouterr().err


def test_max_recompiles():
    scale = 1.0
    f = fin.jit(lambda x: x * scale, max_recompiles=2)
    for scale in (1.0, 2.0, 3.0, 4.0):
        assert f(fin.tensor(2.0)).item() == 2 * scale
    assert "max_recompiles=2" in f.explain()[0]["demoted"]


def test_signatures_without_end_stop_being_compiled():
    f = fin.jit(lambda x, name: x + len(name))
    for i in range(300):
        assert f(fin.tensor(0.0), "x" * i).item() == i
    assert f.cache_info()["signatures"] == 256


def test_explain_says_how_it_runs():
    f = fin.jit(lambda x: (x @ x).relu(), fullgraph=True)
    for _ in range(3):
        f(fin.ones(4, 4))
    (record,) = f.explain()
    assert record["verified"] and record["demoted"] == "" and record["ops"] == 2
    assert record["kernels"] + record["interpreted_ops"] >= 1
    assert record["max_live_bytes"] <= record["arena_bytes"] or record["arena_bytes"] == 0
    assert f.cache_info() == {"hits": 1, "signatures": 1, "demoted": 0}


def test_calls_do_not_grow_memory():
    f = fin.jit(lambda x, n: (x * n, {"s": x.sum()}), fullgraph=True)
    x = fin.ones(100)
    for i in range(10):
        f(x, i)
    before = fin._core.memory_stats()
    for i in range(500):
        f(x, i)
    after = fin._core.memory_stats()
    assert after["system_allocations"] == before["system_allocations"]
    assert after["live_bytes"] == before["live_bytes"]


def is_host_backend():
    return dict(row[:2] for row in fin.settings())["TINYFIN_BACKEND"] != "null"


@pytest.mark.parametrize("donated", [True, False])
def test_state_is_written_in_place_unless_someone_holds_it(donated):
    state = fin.zeros(1 << 18)

    @fin.jit(fullgraph=True)
    def step():
        state.add_(1)

    for _ in range(3):
        step()
    held = None if donated else state.clone() * 1
    snapshot = None if donated else state.numpy()
    before = fin._core.memory_stats()
    fin._core.reset_peak_memory()
    step()
    grown = fin._core.memory_stats()["peak_bytes"] - before["live_bytes"]
    if donated:
        assert grown < 4096
    else:
        if not is_host_backend():
            pytest.skip("a snapshot of device memory is a copy, so that nothing holds the state")
        assert grown >= 4 << 18
        assert snapshot[0] == 3 and held[0].item() == 3
    assert state[0].item() == 4


@pytest.mark.parametrize("millions, is_compared", [(8, False), (1, True)])
def test_the_interpreter_never_sets_the_peak_of_memory(capfd, millions, is_compared):
    """Four values live at once in the interpreter, none in the one loop that is compiled from them."""
    if not is_host_backend() or dict(row[:2] for row in fin.settings())["TINYFIN_DETERMINISTIC"] == "1":
        pytest.skip("only host backends are compared with the interpreter, and none in deterministic mode")
    x = fin.ones(millions << 20)
    fin.sync()
    step = fin.jit(lambda x: (x.exp() + (x * 2).exp()) * ((x * 3).exp() + (x * 4).exp()))
    before = fin._core.memory_stats()["live_bytes"]
    fin._core.reset_peak_memory()
    fin._core.set_config("TINYFIN_LOG", "fallback")
    try:
        for _ in range(8):
            step(x)
            fin.sync()
    finally:
        fin._core.set_config("TINYFIN_LOG", "")
    assert ("not compared with the interpreter, which needs" in capfd.readouterr().err) != is_compared
    grown = fin._core.memory_stats()["peak_bytes"] - before
    assert grown < max(2.5 * x.numel() * 4, 65 << 20)  # a result, and its predecessor until it is dropped
