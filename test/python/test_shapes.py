# SPDX-License-Identifier: Apache-2.0
"""Ops that move elements, creation, and indexing (against NumPy)."""
import numpy as np
import pytest
from oracle import check, pair, rand, same, torch

import tinyfin as fin


@pytest.mark.parametrize("f", [
    lambda x: x.reshape(4, 6), lambda x: x.reshape(-1), lambda x: x.reshape((2, -1)), lambda x: x.view(6, 4), lambda x: x.flatten(),
    lambda x: x.flatten(1), lambda x: x.flatten(0, 1), lambda x: x.transpose(0, 2), lambda x: x.transpose(-1, 1), lambda x: x.permute(2, 0, 1),
    lambda x: x.permute(-1, 0, 1), lambda x: x.unsqueeze(0), lambda x: x.unsqueeze(-1), lambda x: x.unsqueeze(1).squeeze(1),
    lambda x: x.unsqueeze(0).squeeze(), lambda x: x.expand(5, 2, 3, 4), lambda x: x.unsqueeze(1).expand(-1, 6, -1, 4), lambda x: x[:, 1].T,
    lambda x: x.transpose(0, 1).reshape(3, 8), lambda x: x.permute(1, 2, 0).flatten()])
def test_moves(f):
    check(f, f, rand(2, 3, 4))


INDICES = [np.s_[0], np.s_[-1], np.s_[1:3], np.s_[:, 0], np.s_[..., 0], np.s_[None], np.s_[:, None, 1], np.s_[::2], np.s_[1::2, ::3],
           np.s_[..., -1:], np.s_[1, 2, 3], np.s_[:, 1:, ..., 2], np.s_[3:3], np.s_[-2:], np.s_[:-1], np.s_[100:], np.s_[...], np.s_[()]]


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_basic_indexing(index):
    x = rand(4, 5, 6)
    np.testing.assert_array_equal(fin.from_numpy(x)[index].numpy(), x[index])
    check(lambda x: x[index], lambda x: x[index], x)


@pytest.mark.parametrize("index", [i for i in INDICES if i != ()], ids=str)
def test_assignment_by_index(index):
    x = rand(4, 5, 6)
    ours = fin.from_numpy(x)
    ours[index] = 7.5
    x = x.copy()
    x[index] = 7.5
    np.testing.assert_array_equal(ours.numpy(), x)


def test_assignment_of_a_tensor_broadcasts():
    x, v = rand(4, 5), rand(5, seed=1)
    ours = fin.from_numpy(x)
    ours[1:3] = fin.from_numpy(v)
    x = x.copy()
    x[1:3] = v
    np.testing.assert_array_equal(ours.numpy(), x)


@pytest.mark.parametrize("indices", [[0, 2, 2], [[1, 0], [3, 3]], [-1, 0]], ids=str)
def test_integer_tensor_index(indices):
    i = np.array(indices)
    check(lambda x: x[fin.from_numpy(i)], lambda x: x[torch.from_numpy(i)], rand(4, 3))


@pytest.mark.parametrize("index", [4, -5, (0, 5)])
def test_index_out_of_range(index):
    with pytest.raises(IndexError, match="out of range|out of bounds"):
        fin.zeros((4, 5))[index]


def test_too_many_indices():
    with pytest.raises(IndexError):
        fin.zeros((4, 5))[0, 0, 0]


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_cat(dim):
    check(lambda a, b: fin.cat([a, b, a], dim), lambda a, b: torch.cat([a, b, a], dim), rand(3, 4), rand(3, 4, seed=1))


def test_cat_of_different_extents_and_dtypes():
    (a, ta), (b, tb) = pair(rand(2, 3), "float32"), pair(rand(4, 3))
    same(fin.cat([a, b]), torch.cat([ta, tb]))


@pytest.mark.parametrize("dim", [0, 1, 2, -1])
def test_stack(dim):
    check(lambda a, b: fin.stack([a, b], dim), lambda a, b: torch.stack([a, b], dim), rand(3, 4), rand(3, 4, seed=1))


def test_creation():
    same(fin.zeros((2, 3)), torch.zeros(2, 3))
    same(fin.ones((2,), dtype=fin.int64), torch.ones(2, dtype=torch.int64))
    same(fin.full((2, 2), 1.5), torch.full((2, 2), 1.5))
    same(fin.arange(5), torch.arange(5))
    same(fin.arange(2, 10, 3), torch.arange(2, 10, 3))
    same(fin.arange(0, 1, 0.25), torch.arange(0, 1, 0.25))
    x, t = pair(rand(2, 3), "float32")
    same(fin.zeros_like(x), torch.zeros_like(t))
    same(fin.ones_like(x), torch.ones_like(t))
    same(fin.full_like(x, 3.0), torch.full_like(t, 3.0))


@pytest.mark.parametrize("args", [(0, 1, 5), (2.0, -3.0, 11), (1, 1, 3), (5, 9, 1), (0, 1, 0)], ids=str)
def test_linspace(args):
    same(fin.linspace(*args), torch.linspace(*args))


@pytest.mark.parametrize("args", [(3,), (2, 4), (4, 2), (0,)], ids=str)
def test_eye(args):
    same(fin.eye(*args), torch.eye(*args))


def test_allclose():
    x = fin.tensor([1.0, 2.0])
    assert fin.allclose(x, x + 1e-7) and not fin.allclose(x, x + 1e-3) and fin.allclose(x, x + 1e-3, atol=1e-2)
    assert not fin.allclose(x, fin.tensor([1.0, float("nan")]))


def test_nested_lists_both_ways():
    data = [[1.0, 2.0], [3.0, 4.0]]
    assert fin.tensor(data).tolist() == data
    assert fin.tensor(5).item() == 5 and isinstance(fin.tensor(5).item(), int)
    assert fin.tensor(True).item() is True


def test_ragged_list_is_an_error():
    with pytest.raises((ValueError, TypeError)):
        fin.tensor([[1.0], [1.0, 2.0]])


def test_from_numpy_copies_unless_told():
    a = np.zeros(4)
    x = fin.from_numpy(a)
    a[0] = 1
    assert x.tolist() == [0, 0, 0, 0]


def test_from_numpy_of_strided_array():
    a = rand(4, 6)
    np.testing.assert_array_equal(fin.from_numpy(a.T[::2]).numpy(), a.T[::2])


def test_numpy_is_a_read_only_snapshot():
    x = fin.ones((3,))
    a = x.numpy()
    x.add_(1)
    assert a.tolist() == [1, 1, 1] and x.tolist() == [2, 2, 2]
    assert not a.flags.writeable


def test_dlpack_round_trip():
    x = torch.arange(6.0).reshape(2, 3)
    assert fin.from_dlpack(x).tolist() == x.tolist()
    assert torch.from_dlpack(fin.tensor([1.0, 2.0])).tolist() == [1.0, 2.0]


def test_queries():
    x = fin.zeros((2, 3, 4))
    assert x.ndim == 3 and tuple(x.shape) == (2, 3, 4) and x.numel() == 24 and len(x) == 2
    with pytest.raises(TypeError):
        len(fin.tensor(1.0))


def test_bool_of_many_elements_is_an_error():
    with pytest.raises((ValueError, RuntimeError)):
        bool(fin.ones((2,)))
    assert fin.tensor(1.0) and not fin.tensor(0)


def test_iteration_over_rows():
    assert [row.tolist() for row in fin.tensor([[1, 2], [3, 4]])] == [[1, 2], [3, 4]]
