# SPDX-License-Identifier: Apache-2.0
"""save and load: nested dicts, lists, tuples, numbers, strings and tensors in one safetensors file. Nothing is ever executed.

The structure is JSON in the file's metadata under "tinyfin": {"version": 1, "tree": ...}. In a tree, null, true, numbers
and strings stand for themselves; {"f": "nan"} is a float that JSON has not, {"l": [...]} a list, {"t": [...]} a tuple,
{"d": [[key, value], ...]} a dict, {"x": name} a tensor of the file ({"x": name, "g": true}: one that requires grad).
"""
import json
import math
import os

from . import _core
from . import safetensors
from ._core import Tensor
from .safetensors import CheckpointError

__all__ = ["CheckpointError", "load", "save"]

VERSION = 1
MAX_DEPTH = 100
_NAMES = {_core.float64: "F64", _core.float32: "F32", _core.float16: "F16", _core.bfloat16: "BF16", _core.int64: "I64",
          _core.int32: "I32", _core.int8: "I8", _core.uint8: "U8", _core.bool_: "BOOL"}
_NUMPY = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I8": "i1", "U8": "u1", "BOOL": "?"}


def save(obj, path):
    """Writes obj (dicts, lists, tuples, numbers, strings, bools, None, Tensors) to path, whole or not at all.

    A tensor that appears twice is stored once and loaded as one object. Raises CheckpointError for anything else."""
    path = _path(path)
    writer = _Writer()
    tree = writer.encode(obj, "", 0)
    if len(writer.tensors) != len(writer.names):
        raise CheckpointError("two tensors have one name")
    metadata = {"tinyfin": json.dumps({"version": VERSION, "tree": tree}, separators=(",", ":"))}
    safetensors.write(path, writer.tensors, metadata)


def load(path):
    """Reads what save() wrote. Any other safetensors file is a dict of name -> Tensor.

    Raises CheckpointError, which says what is wrong, for a file that is damaged or made up."""
    path = _path(path)
    stored, metadata = safetensors.read(path)
    try:
        tensors = {name: _to_tensor(*entry) for name, entry in stored.items()}
        return _decode(_tree(metadata["tinyfin"]), tensors, 0) if "tinyfin" in metadata else tensors
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None


def _path(path):
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"path: found {type(path).__name__}, wanted a string or a path")
    return str(path)


def _tree(text):
    try:
        document = safetensors.parse_json(text)
    except ValueError as error:
        raise CheckpointError(f"the tinyfin metadata is not JSON: {error}") from None
    version = document.get("version") if isinstance(document, dict) else None
    if version != VERSION or "tree" not in document:
        raise CheckpointError(f"found checkpoint version {str(version)[:20]!r}, wanted {VERSION}")
    return document["tree"]


class _Writer:
    def __init__(self):
        self.tensors = {}  # name -> (dtype, shape, bytes)
        self.names = {}    # id -> (name, tensor); holds the tensor so that its id stays its own

    def encode(self, value, path, depth):
        if depth > MAX_DEPTH:
            raise CheckpointError(f"cannot save: nested deeper than {MAX_DEPTH} levels (or within itself) at {path[:80]!r}")
        if isinstance(value, Tensor):
            return {"x": self.store(value, path), **({"g": True} if value.requires_grad else {})}
        if value is None or isinstance(value, str) or type(value) in (bool, int):
            return value
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else {"f": repr(float(value))}
        if isinstance(value, dict):
            return {"d": [[self.encode_key(k, path), self.encode(v, _join(path, k), depth + 1)] for k, v in value.items()]}
        if type(value) in (list, tuple):
            items = [self.encode(v, _join(path, i), depth + 1) for i, v in enumerate(value)]
            return {"l" if type(value) is list else "t": items}
        raise CheckpointError(f"cannot save {path or 'this'}: found {type(value).__name__}, wanted a dict, list, tuple, number, string, bool, None or Tensor")

    def encode_key(self, key, path):
        if type(key) not in (str, int, float, bool, type(None), tuple):
            raise CheckpointError(f"cannot save a key of {path or 'this'}: found {type(key).__name__}, wanted a string or number")
        return self.encode(key, path, 0)

    def store(self, tensor, path):
        if id(tensor) in self.names:
            return self.names[id(tensor)][0]
        name, n = path or "tensor", 1
        while name in self.tensors or name == "__metadata__":
            n += 1
            name = f"{path}#{n}"
        self.names[id(tensor)] = (name, tensor)
        self.tensors[name] = (_NAMES[tensor.dtype], tuple(tensor.shape), _to_bytes(tensor))
        return name


def _join(path, key):
    return f"{path}.{key}" if path else str(key)


def _to_bytes(tensor):
    import numpy as np

    tensor = tensor.detach()
    if tensor.dtype == _core.bfloat16:  # the upper half of the float32 of the same value
        array = np.ascontiguousarray(tensor.to(_core.float32).numpy())
        return memoryview((array.view("<u4") >> 16).astype("<u2").reshape(-1)).cast("B")
    array = np.ascontiguousarray(tensor.numpy()).astype(_NUMPY[_NAMES[tensor.dtype]], copy=False)
    return memoryview(array.reshape(-1).view("u1")).cast("B")


def _to_tensor(dtype, shape, data):
    import numpy as np

    array = np.frombuffer(data, dtype=_NUMPY[dtype]).reshape(shape)
    if dtype == "BF16":
        wide = np.left_shift(array.reshape(-1), 16, dtype="<u4").view("<f4").reshape(shape)
        return _core.from_numpy(wide, copy=False).to(_core.bfloat16)
    if dtype == "BOOL" and array.view("u1").max(initial=0) > 1:
        raise CheckpointError("a BOOL tensor holds a byte that is neither 0 nor 1")
    return _core.from_numpy(array, copy=True)


def _decode(tree, tensors, depth):
    if depth > MAX_DEPTH:
        raise CheckpointError(f"nested deeper than {MAX_DEPTH} levels")
    if tree is None or isinstance(tree, (bool, int, float, str)):
        return tree
    if isinstance(tree, dict):
        if set(tree) in ({"x"}, {"x", "g"}):
            return _decode_tensor(tree, tensors)
        if len(tree) == 1:
            (kind, value), = tree.items()
            if kind == "f" and value in ("nan", "inf", "-inf"):
                return float(value)
            if kind in ("l", "t", "d") and isinstance(value, list):
                return _decode_items(kind, value, tensors, depth + 1)
    raise CheckpointError(f"the structure holds an unknown node: {str(tree)[:80]}")


def _decode_items(kind, items, tensors, depth):
    if kind != "d":
        decoded = [_decode(item, tensors, depth) for item in items]
        return decoded if kind == "l" else tuple(decoded)
    if not all(isinstance(item, list) and len(item) == 2 for item in items):
        raise CheckpointError("the structure holds a dict whose items are not pairs")
    try:
        return {_decode(key, tensors, depth): _decode(value, tensors, depth) for key, value in items}
    except TypeError:
        raise CheckpointError("the structure holds a dict key that is not a string or number") from None


def _decode_tensor(tree, tensors):
    name = tree["x"]
    if not isinstance(name, str) or name not in tensors:
        raise CheckpointError(f"the structure names a tensor that is not there: {str(name)[:80]!r}")
    if tree.get("g") is True:
        try:
            tensors[name].requires_grad_(True)
        except (RuntimeError, TypeError, ValueError) as error:
            raise CheckpointError(f"tensor {name!r} cannot require grad: {error}") from None
    return tensors[name]
