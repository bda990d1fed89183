# SPDX-License-Identifier: Apache-2.0
"""DataLoader: every sample once, in an order that workers do not change."""
import os
import threading

import numpy as np
import pytest

import tinyfin as fin
from tinyfin.data import DataLoader, Dataset, TensorDataset

X, Y = np.arange(22, dtype="float32").reshape(11, 2), np.arange(11)


class Squares(Dataset):
    def __len__(self):
        return 10

    def __getitem__(self, index):
        return {"x": np.full((2,), index, dtype="float32"), "y": (index, float(index) ** 2)}


class Broken(Squares):
    def __getitem__(self, index):
        if index == 7:
            raise OSError("sample 7 is broken")
        return index


def labels(loader):
    return [y.tolist() for _, y in loader]


def test_the_last_batch_is_kept():
    loader = DataLoader(TensorDataset(X, Y), 4)
    assert labels(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]] and len(loader) == 3


def test_drop_last():
    loader = DataLoader(TensorDataset(X, Y), 4, drop_last=True)
    assert labels(loader) == [[0, 1, 2, 3], [4, 5, 6, 7]] and len(loader) == 2


@pytest.mark.parametrize("options", [{}, {"num_workers": 2}, {"num_workers": 3, "prefetch_factor": 5}], ids=str)
def test_rows_belong_together(options):
    for x, y in DataLoader(TensorDataset(X, fin.from_numpy(Y)), 4, shuffle=True, seed=5, **options):
        assert x.dtype == fin.float32 and y.dtype == fin.int64
        np.testing.assert_array_equal(x.numpy()[:, 0], 2 * y.numpy())


def test_shuffle_is_a_permutation_that_changes_by_epoch_and_repeats_by_seed():
    loader = DataLoader(TensorDataset(X, Y), 4, shuffle=True, seed=5)
    first, second = labels(loader), labels(loader)
    assert sorted(sum(first, [])) == list(range(11)) and first != second
    assert labels(DataLoader(TensorDataset(X, Y), 4, shuffle=True, seed=5, num_workers=2)) == first


def test_shuffle_follows_manual_seed():
    def order():
        fin.manual_seed(11)
        return labels(DataLoader(TensorDataset(X, Y), 4, shuffle=True))
    assert order() == order()


def test_shuffle_by_generator():
    def order():
        return labels(DataLoader(TensorDataset(X, Y), 4, shuffle=True, generator=np.random.default_rng(2)))
    assert order() == order()


def test_drop_last_of_a_shuffled_epoch_drops_other_samples_each_time():
    loader = DataLoader(TensorDataset(X, Y), 4, shuffle=True, drop_last=True, seed=0)
    assert all(len(b) == 4 for _ in range(3) for b in labels(loader))


def test_structures_are_kept():
    batch = next(iter(DataLoader(Squares(), 3)))
    assert batch["x"].tolist() == [[0, 0], [1, 1], [2, 2]] and batch["y"][0].tolist() == [0, 1, 2] and batch["y"][1].dtype == fin.float32


def test_batches_do_not_share_memory_with_the_data():
    x = X.copy()
    batch, = next(iter(DataLoader(TensorDataset(x), 4)))
    x[:] = -1
    assert batch.tolist() == X[:4].tolist()


def test_collate_fn():
    batches = list(DataLoader(Squares(), 4, collate_fn=lambda samples: [s["y"][0] for s in samples]))
    assert batches == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_samples_of_different_shapes():
    class Ragged(Squares):
        def __getitem__(self, index):
            return np.zeros(index)
    with pytest.raises(ValueError, match="differ in shape.*collate_fn"):
        next(iter(DataLoader(Ragged(), 3)))


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_in_a_sample_reaches_the_loop(workers):
    with pytest.raises(OSError, match="sample 7"):
        list(DataLoader(Broken(), 2, num_workers=workers))


def test_leaving_a_loop_early_leaves_no_threads():
    before = threading.active_count()
    iterator = iter(DataLoader(TensorDataset(X, Y), 1, num_workers=2))
    next(iterator)
    iterator.close()
    for thread in threading.enumerate():
        if thread.name.startswith("tinyfin-data"):
            thread.join(5)
    assert threading.active_count() <= before


def test_spawned_workers():
    loader = DataLoader(TensorDataset(X, Y), 4, num_workers=1, multiprocessing_context="spawn")
    assert labels(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_gets_a_clear_error():
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            list(DataLoader(TensorDataset(X, Y), 4))
            os.write(writer, b"no error")
        except RuntimeError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    assert b"forked" in os.read(reader, 1000)
    os.close(reader)


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"batch_size": 2.5}, {"num_workers": -1}, {"prefetch_factor": 0}, {"multiprocessing_context": "fork"}], ids=str)
def test_wrong_options(options):
    with pytest.raises(ValueError, match="found .* wanted"):
        DataLoader(TensorDataset(X, Y), **options)


def test_wrong_datasets():
    with pytest.raises(ValueError, match="lengths"):
        TensorDataset(X, Y[:5])
    with pytest.raises(ValueError, match="no arrays"):
        TensorDataset()
    with pytest.raises(NotImplementedError):
        len(DataLoader(Dataset()))
