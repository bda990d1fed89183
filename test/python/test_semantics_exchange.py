# SPDX-License-Identifier: Apache-2.0
"""NumPy and DLPack in and out, random numbers in all modes, and threads that use each other's values."""
import threading
import time

import numpy as np
import pytest
from oracle import torch

import tinyfin as fin


def test_import_copies_before_the_flush():
    batch = np.ones((4, 4), np.float32)
    total = fin.zeros(4, 4)
    for i in range(5):
        batch[:] = i
        total = total + fin.from_numpy(batch)
    batch[:] = 99
    assert (total.numpy() == 10).all()
    assert (fin.tensor(batch).numpy() == 99).all()


def test_import_of_strided_arrays():
    a = np.arange(24, dtype=np.float64).reshape(4, 6)
    for b in (a[::2, ::-1], a.T, a[1:1], a[2:3, 3], np.asfortranarray(a)):
        assert (fin.from_numpy(b).numpy() == b).all()
        assert (fin.from_numpy(b, copy=False).numpy() == b).all()


def test_export_is_a_read_only_snapshot():
    x = fin.ones(3)
    first = x.numpy()
    with pytest.raises(ValueError):
        first[0] = 5
    x.add_(1)
    second = x.numpy()
    x.mul_(10)
    fin.sync()
    del x
    assert first.tolist() == [1, 1, 1] and second.tolist() == [2, 2, 2]


def test_numpy_copies_where_it_promises_to():
    x = fin.ones(3)
    copied = np.array(x)
    copied[0] = 7
    assert x.tolist() == [1, 1, 1]
    assert np.asarray(x, dtype=np.float64).dtype == np.float64
    assert (np.ones(3, np.float32) + np.asarray(x) == 2).all()


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32", "uint8", "bool"])
def test_dlpack_both_ways(dtype):
    values = np.array([[0, 1, 2], [3, 4, 1]]).astype(dtype)
    theirs = torch.from_dlpack(fin.from_numpy(values))
    assert (theirs.numpy() == values).all()
    ours = fin.from_dlpack(torch.from_numpy(values.copy()).T)
    assert (ours.numpy() == values.T).all()


def test_what_is_exported_by_dlpack_is_not_written_by_us():
    x = fin.ones(3)
    theirs = torch.from_dlpack(x)
    x.add_(1)
    assert x.tolist() == [2, 2, 2] and theirs.tolist() == [1, 1, 1]
    theirs.add_(5)
    assert x.tolist() == [2, 2, 2]


def draw(cut):
    fin.manual_seed(7)
    parts = []
    for i in range(4):
        parts.append(fin.rand(3, i + 1))
        parts.append(fin.randn(5))
        parts.append(fin.nn.functional.dropout(fin.ones(16), 0.5))
        if cut:
            parts[-cut].sum().item()
    return np.concatenate([p.numpy().ravel() for p in parts])


def test_one_seed_gives_the_same_numbers_in_any_partition():
    wanted = draw(0)
    for cut in (1, 2, 3):
        assert (draw(cut) == wanted).all()
    with fin.eager_mode("immediate"):
        assert (draw(0) == wanted).all()
    assert len(np.unique(wanted[:4])) > 1


def test_the_state_can_be_kept_and_restored(mode):
    fin.manual_seed(3)
    fin.rand(5)
    state = fin.get_rng_state()
    first = fin.randn(100).numpy()
    fin.set_rng_state(state)
    assert (fin.randn(100).numpy() == first).all()
    assert not (fin.randn(100).numpy() == first).all()


@pytest.mark.parametrize("flush_between", [False, True])
def test_dropout_uses_one_mask_forward_and_backward(flush_between, mode):
    x = fin.ones(1000, requires_grad=True)
    y = fin.nn.functional.dropout(x, 0.3)
    if flush_between:
        fin.sync()
        fin.rand(10).sum().item()
    y.sum().backward()
    assert (x.grad.numpy() == y.detach().numpy()).all()
    assert 500 < (y.detach().numpy() != 0).sum() < 900


def in_threads(*functions):
    errors = []

    def guard(function):
        try:
            function()
        except BaseException as error:  # noqa: BLE001 - handed to the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=guard, args=(f,)) for f in functions]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert not any(t.is_alive() for t in threads), "a thread hangs"
    if errors:
        raise errors[0]


def test_threads_draw_different_numbers():
    drawn = {}

    def work(name):
        drawn[name] = np.concatenate([fin.rand(64).numpy() for _ in range(50)])

    in_threads(lambda: work(0), lambda: work(1))
    assert len(np.unique(np.concatenate([drawn[0], drawn[1]]))) > 6000


def test_threads_use_each_others_pending_values():
    """Each thread publishes pending values; the others compute with them, observe them and drop them."""
    shared = [(0.0, fin.zeros(8, 8))] * 4
    stop = time.monotonic() + 3
    rounds = [0] * 4

    def work(me):
        rng = np.random.default_rng(me)
        while time.monotonic() < stop:
            number, value = shared[rng.integers(4)]
            other_number, other = shared[rng.integers(4)]
            x = value * 0.5 + other * 0.25 + 1.0
            wanted = number * 0.5 + other_number * 0.25 + 1.0
            kind = rng.integers(4)
            if kind == 0:
                assert abs(float(x[3, 4]) - wanted) < 1e-3
            elif kind == 1:
                x.add_(1.0)
                wanted += 1.0
            elif kind == 2:
                (x @ x).sum().item()
            shared[me] = (wanted, x)
            rounds[me] += 1

    in_threads(*[lambda me=me: work(me) for me in range(4)])
    assert min(rounds) > 20
    for wanted, value in shared:
        assert abs(value.numpy() - wanted).max() < 1e-3


def test_a_graph_built_by_two_threads_differentiates():
    x = fin.tensor([2.0], requires_grad=True)
    parts = {}
    in_threads(lambda: parts.update(a=(x * x * x)))
    for _ in range(5):
        parts["a"] = parts["a"] + 0
    in_threads(lambda: parts.update(b=(parts["a"] * x + x)))
    parts["b"].backward()
    assert x.grad.tolist() == [4 * 8.0 + 1]


def test_threads_write_the_same_tensor():
    x = fin.zeros(16)

    def work():
        for i in range(200):
            with fin.no_grad():
                y = x * 1
            if i % 10 == 0:
                assert (y.numpy() == y.numpy()[0]).all()

    def write():
        for i in range(200):
            x.add_(1)
            if i % 7 == 0:
                x.sum().item()

    in_threads(work, write)
    assert x.tolist() == [200] * 16


def test_writes_of_several_threads_are_whole(mode):
    updates = {"add": lambda x: x.add_(1), "part": lambda x: x[1:].add_(1), "masked": lambda x: x.__setitem__(x < 1e9, 1.0),
               "clamped": lambda x: x.clamp_(min=1)}
    for name, update in updates.items():
        for _ in range(20):
            x = fin.zeros(4)
            in_threads(*[lambda: [update(x) for _ in range(25)]] * 4)
            assert x.tolist()[1:] == ([100] * 3 if name in ("add", "part") else [1] * 3), name


def test_gradients_of_several_threads_add_up(mode):
    x = fin.ones(3, requires_grad=True)
    in_threads(*[lambda: [(x * 2).sum().backward() for _ in range(25)]] * 4)
    assert x.grad.tolist() == [200] * 3
