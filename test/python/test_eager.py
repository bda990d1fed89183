# SPDX-License-Identifier: Apache-2.0
"""When things run, what is cached, and where errors point."""
import gc
import sys
import threading
import traceback

import numpy as np
import pytest
from processes import run, run_python

import tinyfin as fin
from tinyfin import _core, nn, optim


def training(seed=0):
    fin.manual_seed(seed)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 4))
    optimizer = optim.AdamW(model.parameters(), lr=1e-2)
    x, y = fin.randn(6, 8), fin.randint(0, 4, (6,))

    def step():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss
    return model, step


def test_ops_are_deferred_until_observed():
    fin.sync()
    x = fin.ones((4,)) * 2 + 1
    assert _core.pending_ops() > 0
    assert x.tolist() == [3, 3, 3, 3]
    assert _core.pending_ops() == 0


def test_immediate_mode_leaves_nothing_pending():
    with fin.eager_mode("immediate"):
        x = fin.ones((4,)) * 2 + 1
        assert _core.pending_ops() == 0 and x.tolist() == [3] * 4


def test_unknown_mode():
    with pytest.raises((ValueError, RuntimeError), match="immediate"):
        with fin.eager_mode("sometimes"):
            pass


def test_the_two_modes_train_alike():
    losses = {}
    for mode in ("immediate", "deferred"):
        with fin.eager_mode(mode):
            _, step = training()
            losses[mode] = [step().item() for _ in range(10)]
    np.testing.assert_allclose(losses["immediate"], losses["deferred"], rtol=1e-4)


def test_a_training_loop_hits_the_cache():
    _, step = training()
    for _ in range(3):
        step()
    fin.sync()
    before = fin.cache_info()
    for _ in range(5):
        step()
    fin.sync()
    after = fin.cache_info()
    assert after["hits"] - before["hits"] >= 5 and after["misses"] == before["misses"]


def test_a_step_is_one_graph():
    _, step = training()
    for _ in range(3):
        step()
    fin.sync()
    before = fin.cache_info()["flushes"]
    for _ in range(4):
        step()
    fin.sync()
    assert fin.cache_info()["flushes"] - before == 4


def test_numbers_are_not_part_of_the_key():
    x = fin.ones((16,))
    for value in (1.5, 2.5, 3.5):
        (x * value + x[1:2]).sum().item()
        misses = fin.cache_info()["misses"] if value == 2.5 else None
    assert (x * 9.5 + x[3:4]).sum().item() == pytest.approx(16 * 10.5)
    assert misses is None or fin.cache_info()["misses"] == misses


def test_a_learning_rate_schedule_does_not_miss():
    fin.manual_seed(0)
    layer = nn.Linear(4, 4)
    optimizer = optim.AdamW(layer.parameters(), lr=0.1)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, 50)

    def step():
        optimizer.zero_grad()
        layer(fin.ones((2, 4))).square().sum().backward()
        optimizer.step()
        schedule.step()
    for _ in range(2):  # the step after a sync() is another graph: the learning rate comes from outside
        for _ in range(4):
            step()
        fin.sync()
    misses = fin.cache_info()["misses"]
    for _ in range(6):
        step()
    fin.sync()
    assert fin.cache_info()["misses"] == misses


def test_values_that_nobody_holds_are_dead():
    fin.sync()
    x = fin.ones((100,))
    for _ in range(50):
        x * 2  # noqa: B018
    assert (x + 1).sum().item() == 200


def test_an_error_of_shape_is_raised_by_its_line():
    x, y = fin.ones((2, 3)), fin.ones((4, 5))
    with pytest.raises((ValueError, RuntimeError)) as error:
        x @ y  # the line
    line = traceback.extract_tb(error.value.__traceback__)[-1]
    assert line.line.endswith("# the line")
    assert "3" in str(error.value) and "4" in str(error.value)


@pytest.mark.parametrize("make, words", [
    (lambda: fin.ones((2, 3)) + fin.ones((2, 4)), ["3", "4"]), (lambda: fin.ones((2, 3)).reshape(4, 2), ["6|2, 3|2x3", "8|4, 2|4x2"]),
    (lambda: fin.ones((2, 3)).sum(2), ["2"]), (lambda: fin.ones((2, 3)).permute(0, 0), ["0"]), (lambda: fin.cat([fin.ones((2, 3)), fin.ones((3, 2))]), ["3", "2"]),
    (lambda: fin.ones((2, 3)).expand(3, 3), ["2", "3"])])
def test_errors_say_what_was_found(make, words):
    import re
    with pytest.raises((ValueError, RuntimeError, IndexError)) as error:
        make()
    for word in words:
        assert re.search(word, str(error.value)), str(error.value)


@pytest.mark.parametrize("bad", ["text", None, object(), [1, 2]], ids=repr)
def test_operands_of_wrong_type(bad):
    with pytest.raises(TypeError):
        fin.ones((2,)) + bad


def test_an_error_at_run_time_names_the_line_of_the_op():
    table = nn.Embedding(4, 2)
    index = fin.tensor([7])
    rows = table(index)  # the guilty line
    wanted = _line_of("# the guilty line")
    with pytest.raises(IndexError) as error:
        rows.numpy()
    assert f"test_eager.py:{wanted}" in str(error.value), str(error.value)
    assert "7" in str(error.value)


def _line_of(words):
    with open(__file__) as file:
        return next(i for i, line in enumerate(file, 1) if line.rstrip().endswith(words) and "_line_of" not in line)


def test_state_survives_an_error_at_run_time():
    table, total = nn.Embedding(4, 2), fin.zeros((2,))
    before = table.weight.tolist()
    total.add_(0).tolist()
    total.add_(1)
    bad = table(fin.tensor([9])).sum()
    with fin.no_grad():
        table.weight.add_(bad)
    with pytest.raises(IndexError):
        bad.item()
    assert table.weight.tolist() == before
    assert total.tolist() == [0, 0]  # written in the same graph, so it goes back too
    assert fin.ones((2,)).sum().item() == 2


def test_repr():
    assert repr(fin.tensor([1.0, 2.5])) == "tensor([1. , 2.5])"
    assert repr(fin.tensor([1, 2], dtype=fin.int32)) == "tensor([1, 2], dtype=tinyfin.int32)"
    assert repr(fin.tensor([1.0], requires_grad=True)).endswith("requires_grad=True)")
    assert f"{fin.tensor(1.23456):.2f}" == "1.23"
    assert "size=(0, 3)" in repr(fin.zeros((0, 3)))


def test_threads_record_apart():
    results = {}

    def work(n):
        x = fin.full((100,), float(n))
        for _ in range(50):
            x = x + 1
        results[n] = x.sum().item()
    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == {n: (n + 50) * 100.0 for n in range(4)}


def test_a_pending_value_of_another_thread():
    box = {}
    thread = threading.Thread(target=lambda: box.update(x=fin.ones((3,)) * 5))
    thread.start()
    thread.join()
    assert (box["x"] + 1).tolist() == [6, 6, 6]


def test_long_loops_do_not_grow():
    x = fin.ones((1000,))
    for _ in range(200):
        x = (x * 1.0001).clone()
        x.sum().item()
    gc.collect()
    before = _core.memory_stats()["live_bytes"]
    for _ in range(500):
        x = (x * 1.0001).clone()
        x.sum().item()
    gc.collect()
    assert _core.memory_stats()["live_bytes"] <= before + 100_000


def test_random_state_restores():
    state = fin.get_rng_state()
    first = fin.rand(10).tolist()
    fin.set_rng_state(state)
    assert fin.rand(10).tolist() == first
    assert fin.rand(10).tolist() != first


def test_distributions():
    u, n, k = fin.rand(100_000).numpy(), fin.randn(100_000).numpy(), fin.randint(3, 9, (100_000,)).numpy()
    assert 0 <= u.min() and u.max() < 1 and abs(u.mean() - 0.5) < 0.005 and abs(u.std() - 12**-0.5) < 0.005
    assert abs(n.mean()) < 0.015 and abs(n.std() - 1) < 0.015 and abs((n**3).mean()) < 0.05
    assert set(np.unique(k)) == set(range(3, 9))


def test_settings_are_listed():
    names = [row[0] for row in fin.settings()]
    assert "TINYFIN_EAGER" in names and all(len(row) == 4 and row[3] for row in fin.settings())
    assert "TINYFIN_EAGER" in run(sys.executable, "-m", "tinyfin", "env").stdout
    run(sys.executable, "-m", "tinyfin", "nonsense", returncode=1)


def test_import_is_light():
    run_python("import sys, tinyfin; sys.exit(any(m in sys.modules for m in ('torch', 'multiprocessing', 'sklearn', 'concurrent.futures')))")
