# SPDX-License-Identifier: Apache-2.0
"""save and load: everything comes back; anything damaged or hostile is one clear error."""
import json
import math
import os

import numpy as np
import pytest

import tinyfin as fin
from tinyfin import nn, optim

DTYPES = [fin.float32, fin.float64, fin.bfloat16, fin.float16, fin.int64, fin.int32, fin.int8, fin.uint8, fin.bool_]


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "c.safetensors")


def round_trip(obj, path):
    fin.save(obj, path)
    return fin.load(path)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3, 4), (2, 0, 3)], ids=str)
def test_tensors(dtype, shape, path):
    x = fin.from_numpy(np.asarray(np.arange(math.prod(shape)) % 2, "float64").reshape(shape)).to(dtype)
    y = round_trip(x, path)
    assert y.dtype == dtype and tuple(y.shape) == shape and y.tolist() == x.tolist()


def test_bfloat16_is_exact(path):
    x = fin.from_numpy(np.array([1e-30, 3.14159, -65504.0, 1e38, 0.0, float("inf")], "float32")).to(fin.bfloat16)
    assert round_trip(x, path).to(fin.float32).tolist() == x.to(fin.float32).tolist()


@pytest.mark.parametrize("obj", [None, True, False, 0, -5, 2**70, 1.5, -0.0, 1e300, float("inf"), float("-inf"), "", "ünï", [], (), {}, [1, (2, [3]), {}],
                                 {"a": 1, 2: "b", None: (), (1, 2): [None], 1.5: True}, {"d": [], "x": "l"}, {"__metadata__": 1}], ids=repr)
def test_plain_objects(obj, path):
    back = round_trip(obj, path)
    assert back == obj and repr(back) == repr(obj)


def test_nan(path):
    assert math.isnan(round_trip(float("nan"), path))


def test_ties_are_kept_and_stored_once(path):
    x = fin.ones((1000,))
    back = round_trip({"a": x, "b": [x, fin.ones((1000,))]}, path)
    assert back["a"] is back["b"][0] and back["a"] is not back["b"][1]
    assert os.path.getsize(path) < 9000


def test_requires_grad_is_kept(path):
    back = round_trip([nn.Parameter(fin.ones((2,))), fin.ones((2,))], path)
    assert back[0].requires_grad and not back[1].requires_grad


def test_training_resumes(path):
    def setup():
        fin.manual_seed(1)
        model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 2))
        optimizer = optim.AdamW(model.parameters(), lr=0.1)
        return model, optimizer, optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)

    def step(model, optimizer, schedule):
        optimizer.zero_grad()
        model(x).square().sum().backward()
        optimizer.step()
        schedule.step()

    x = fin.ones((3, 4))
    a = setup()
    for _ in range(3):
        step(*a)
    fin.save([part.state_dict() for part in a] + [fin.get_rng_state()], path)
    for _ in range(3):
        step(*a)
    b = setup()
    *states, random = fin.load(path)
    for part, state in zip(b, states):
        part.load_state_dict(state)
    fin.set_rng_state(random)
    for _ in range(3):
        step(*b)
    for p, q in zip(a[0].parameters(), b[0].parameters()):  # compiled and interpreted code may differ by a rounding
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_other_libraries_read_it(path):
    safetensors = pytest.importorskip("safetensors.numpy", reason="the safetensors package, an oracle, is not installed")
    model = nn.Linear(3, 2)
    fin.save({"model": model.state_dict(), "epoch": 3}, path)
    found = safetensors.load_file(path)
    np.testing.assert_array_equal(found["model.weight"], model.weight.detach().numpy())


def test_it_reads_files_of_other_libraries(path):
    safetensors = pytest.importorskip("safetensors.numpy", reason="the safetensors package, an oracle, is not installed")
    data = {"a": np.arange(6, dtype="float32").reshape(2, 3), "b.c": np.array([True, False]), "e": np.zeros((0, 2), "int8")}
    safetensors.save_file(data, path)
    back = fin.load(path)
    assert set(back) == set(data)
    for name, value in data.items():
        np.testing.assert_array_equal(back[name].numpy(), value)


@pytest.mark.parametrize("obj", [object(), {1, 2}, b"bytes", 1j, lambda: 0, [np.zeros(3)], {"a": {"b": print}}, {frozenset(): 1}], ids=lambda o: type(o).__name__)
def test_what_cannot_be_saved(obj, path):
    with pytest.raises(fin.CheckpointError, match="cannot save.*found"):
        fin.save(obj, path)
    assert not os.path.exists(path)


def test_a_cycle_is_an_error(path):
    cycle = []
    cycle.append(cycle)
    with pytest.raises(fin.CheckpointError, match="nested deeper"):
        fin.save(cycle, path)


def test_a_failed_save_leaves_the_old_file(path, tmp_path):
    fin.save([1], path)
    with pytest.raises(fin.CheckpointError):
        fin.save([object()], path)
    assert fin.load(path) == [1] and os.listdir(tmp_path) == ["c.safetensors"]


def test_a_failed_write_leaves_no_temporary_file(path, tmp_path, monkeypatch):
    fin.save([1], path)
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        fin.save([2], path)
    assert fin.load(path) == [1] and os.listdir(tmp_path) == ["c.safetensors"]


def test_missing_file(path):
    with pytest.raises(FileNotFoundError):
        fin.load(path)


# Hostile files -----------------------------------------------------------------------------------------------------


def header_of(**changes):
    return {"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}}


def file_of(header, body=b"\0" * 8, length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + body


def tree(node, version=1):
    return file_of({"__metadata__": {"tinyfin": json.dumps({"version": version, "tree": node})}, **header_of()})


TWO = {"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
HOSTILE = {
    "empty": b"", "short": b"\1\2\3", "length past the end": file_of(header_of(), length=10**6), "huge length": file_of(header_of(), length=2**64 - 1),
    "not json": file_of(b"{nonsense"), "not utf-8": file_of(b"\xff\xfe{}"), "a list": file_of([]), "deep json": file_of(b"[" * 100000), "long integer": file_of(b"9" * 10000),
    "repeated name": file_of(b'{"x":1,"x":2}'), "entry is a number": file_of({"x": 3}), "unknown dtype": file_of(header_of(dtype="Q8")), "dtype is a list": file_of(header_of(dtype=[])),
    "negative extent": file_of(header_of(shape=[-2])), "huge extent": file_of(header_of(shape=[2**64])), "product overflows": file_of(header_of(shape=[2**40, 2**40])),
    "zero hides overflow": file_of(header_of(shape=[2**62, 2**62, 1])), "extent is a bool": file_of(header_of(shape=[True, 2])), "extent is a float": file_of(header_of(shape=[2.0])),
    "shape is a string": file_of(header_of(shape="2")), "many axes": file_of(header_of(shape=[1] * 100 + [2])), "offsets past the end": file_of(header_of(data_offsets=[8, 16])),
    "offsets reversed": file_of(header_of(data_offsets=[8, 0])), "negative offset": file_of(header_of(data_offsets=[-8, 0])), "three offsets": file_of(header_of(data_offsets=[0, 4, 8])),
    "size differs": file_of(header_of(shape=[3])), "extra field": file_of(header_of(more=1)), "overlap": file_of({**TWO, "y": TWO["x"], "z": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}),
    "hole": file_of({"y": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}), "bytes left over": file_of(TWO), "truncated body": file_of(header_of(), body=b"\0" * 7),
    "metadata is a list": file_of({"__metadata__": [], **header_of()}), "metadata of numbers": file_of({"__metadata__": {"a": 1}, **header_of()}),
    "tree is not json": file_of({"__metadata__": {"tinyfin": "{"}, **header_of()}), "tree is a number": file_of({"__metadata__": {"tinyfin": "3"}, **header_of()}),
    "newer version": tree(1, version=2), "no version": file_of({"__metadata__": {"tinyfin": "{}"}, **header_of()}), "unknown node": tree({"q": 1}), "bare list": tree([1]),
    "missing tensor": tree({"x": "y"}), "tensor name is a list": tree({"x": []}), "bad float": tree({"f": "1e5"}), "dict of singles": tree({"d": [[1]]}), "unhashable key": tree({"d": [[{"l": []}, 1]]}),
    "list is a number": tree({"l": 3}), "bool byte": file_of({"b": {"dtype": "BOOL", "shape": [8], "data_offsets": [0, 8]}}, body=b"\2" * 8),
    "integer that requires grad": file_of({"__metadata__": {"tinyfin": json.dumps({"version": 1, "tree": {"x": "i", "g": True}})},
                                           "i": {"dtype": "I64", "shape": [1], "data_offsets": [0, 8]}})}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_file(name, path):
    with open(path, "wb") as file:
        file.write(HOSTILE[name])
    with pytest.raises(fin.CheckpointError) as error:
        fin.load(path)
    assert path in str(error.value) and len(str(error.value)) < 1000


def test_deep_tree(path):
    node = 1
    for _ in range(150):
        node = {"l": [node]}
    with open(path, "wb") as file:
        file.write(tree(node))
    with pytest.raises(fin.CheckpointError, match="nested"):
        fin.load(path)


def test_random_damage_never_crashes(path):
    fin.save({"a": fin.arange(10), "b": [1, 2.5, "x"], "c": fin.ones((3, 3))}, path)
    good = open(path, "rb").read()
    generator = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(good[:generator.integers(1, len(good) + 1)] if generator.random() < 0.3 else good)
        for _ in range(generator.integers(1, 4)):
            damaged[generator.integers(len(damaged))] = generator.integers(256)
        with open(path, "wb") as file:
            file.write(damaged)
        try:
            fin.load(path)
        except fin.CheckpointError:
            pass
