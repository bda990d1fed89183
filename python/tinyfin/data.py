# SPDX-License-Identifier: Apache-2.0
"""Data sets and the loader that makes batches of them.

Samples and batches are NumPy arrays until the last moment: worker threads and processes never touch a tensor."""
import collections
import os
import threading

from . import _core
from ._core import Tensor

_forked = False


def _after_fork():
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Dataset:
    """Anything with __getitem__(index) and __len__()."""

    def __getitem__(self, index):
        raise NotImplementedError(f"{type(self).__name__} has no __getitem__(index)")

    def __len__(self):
        raise NotImplementedError(f"{type(self).__name__} has no __len__()")


class TensorDataset(Dataset):
    """Rows of arrays or tensors of equal length; an item is a tuple of rows. Batches are cut by one NumPy index."""

    def __init__(self, *arrays):
        if not arrays:
            raise ValueError("TensorDataset: found no arrays, wanted at least one")
        lengths = [a.shape[0] if len(a.shape) else None for a in arrays]
        if len(set(lengths)) != 1 or lengths[0] is None:
            raise ValueError(f"TensorDataset: found lengths {lengths}, wanted one length for all")
        self.arrays = arrays
        self.length = lengths[0]

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return tuple(a[index] for a in self.arrays)

    def rows(self):
        """The arrays as NumPy arrays, without a copy."""
        return [a.detach().numpy() if isinstance(a, Tensor) else a for a in self.arrays]


def _to_numpy(samples):
    """Stacks samples (numbers, arrays, tensors, or tuples, lists and dicts of them) into arrays."""
    import numpy as np

    first = samples[0]
    if isinstance(first, (tuple, list)):
        return type(first)(_to_numpy(column) for column in zip(*samples, strict=True))
    if isinstance(first, dict):
        return {key: _to_numpy([s[key] for s in samples]) for key in first}
    if isinstance(first, Tensor):
        samples = [s.detach().numpy() for s in samples]
    if isinstance(first, float):
        return np.asarray(samples, dtype=np.float32)
    if isinstance(first, str):
        return list(samples)
    shapes = {np.shape(s) for s in samples}
    if len(shapes) > 1:
        raise ValueError(f"samples of one batch differ in shape: found {sorted(shapes)}; pass a collate_fn that pads them")
    return np.stack(samples) if np.shape(first) else np.asarray(samples)


def _to_tensors(batch):
    """The same structure with arrays, which nobody else holds, as tensors."""
    if hasattr(batch, "dtype") and not isinstance(batch, Tensor):
        return _core.from_numpy(batch, copy=False)
    if isinstance(batch, dict):
        return {key: _to_tensors(value) for key, value in batch.items()}
    if isinstance(batch, (tuple, list)):
        return type(batch)(_to_tensors(value) for value in batch)
    return batch


def default_collate(samples):
    """Batches samples: numbers and arrays are stacked along a new first axis, containers keep their form."""
    return _to_tensors(_to_numpy(samples))


class _Fetch:
    """Makes the NumPy form of one batch from its indices. Sent once to each worker process."""

    def __init__(self, dataset, collate_fn):
        self.dataset, self.collate_fn = dataset, collate_fn
        self.rows = dataset.rows() if type(dataset) is TensorDataset and collate_fn is None else None

    def __call__(self, indices):
        import numpy as np

        if self.rows is None:
            samples = [self.dataset[int(i)] for i in indices]
            return self.collate_fn(samples) if self.collate_fn else _to_numpy(samples)
        if isinstance(indices, range):
            return [np.array(a[indices.start:indices.stop]) for a in self.rows]
        return [a.take(indices, axis=0) for a in self.rows]


_worker_fetch = None


def _start_worker(fetch):
    global _worker_fetch
    _worker_fetch = fetch


def _fetch_in_worker(indices):
    return _worker_fetch(indices)


class DataLoader:
    """Batches of a dataset, in order or shuffled.

    batch_size: samples a batch; the last one may be smaller unless `drop_last`.
    shuffle: a new order each epoch, drawn from `seed` and the epoch's number, from `generator` (a numpy.random.Generator), or
        from the library's random state (so that manual_seed() fixes it).
    collate_fn: makes a batch of a list of samples. Default: default_collate.
    num_workers: 0 prepares batches in this thread; else as many threads, or with multiprocessing_context="spawn" processes,
        prepare up to prefetch_factor batches each ahead. Order does not depend on it.
    """

    def __init__(self, dataset, batch_size=1, shuffle=False, *, drop_last=False, collate_fn=None, seed=None, generator=None,
                 num_workers=0, prefetch_factor=2, multiprocessing_context=None):
        if not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(f"batch_size: found {batch_size!r}, wanted an int above 0")
        if num_workers < 0 or prefetch_factor < 1:
            raise ValueError(f"found num_workers {num_workers} and prefetch_factor {prefetch_factor}, wanted 0 or more and 1 or more")
        if multiprocessing_context not in (None, "thread", "spawn"):
            raise ValueError(f"multiprocessing_context: found {multiprocessing_context!r}, wanted 'thread' or 'spawn' "
                             "(a forked process would inherit locks and thread pools in an unusable state)")
        self.dataset, self.batch_size, self.shuffle, self.drop_last = dataset, batch_size, shuffle, drop_last
        self.collate_fn, self.seed, self.generator = collate_fn, seed, generator
        self.num_workers, self.prefetch_factor, self.processes = num_workers, prefetch_factor, multiprocessing_context == "spawn"
        self.epoch = 0

    def __len__(self):
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole + (1 if rest and not self.drop_last else 0)

    def __iter__(self):
        if _forked:
            raise RuntimeError("tinyfin does not work in a forked process: found one, wanted multiprocessing.get_context('spawn')")
        fetch, batches = _Fetch(self.dataset, self.collate_fn), self._batches()
        self.epoch += 1
        if not self.num_workers:
            return (_to_tensors(fetch(indices)) for indices in batches)
        return self._ahead(fetch, batches)

    def _batches(self):
        """Yields the indices of each batch: ranges, or arrays when shuffled."""
        count = len(self.dataset)
        stop = count - count % self.batch_size if self.drop_last else count
        order = self._order(count) if self.shuffle else range(count)
        return (order[i:min(i + self.batch_size, stop)] for i in range(0, stop, self.batch_size))

    def _order(self, count):
        import numpy as np

        generator = self.generator
        if generator is None:
            seed = [self.seed, self.epoch] if self.seed is not None else int(_core.randint(0, 2**24, (1,)).item())
            generator = np.random.default_rng(seed)
        return generator.permutation(count)

    def _ahead(self, fetch, batches):
        pool = self._pool(fetch)
        call = _fetch_in_worker if self.processes else fetch
        waiting = collections.deque()
        try:
            for indices in batches:
                waiting.append(pool.submit(call, indices))
                if len(waiting) >= self.num_workers * self.prefetch_factor:
                    yield _to_tensors(waiting.popleft().result())
            while waiting:
                yield _to_tensors(waiting.popleft().result())
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _pool(self, fetch):
        from concurrent import futures

        if not self.processes:
            return futures.ThreadPoolExecutor(self.num_workers, thread_name_prefix="tinyfin-data")
        import multiprocessing

        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("worker processes can only be started from the main thread; use worker threads here")
        return futures.ProcessPoolExecutor(self.num_workers, multiprocessing.get_context("spawn"), _start_worker, (fetch,))
