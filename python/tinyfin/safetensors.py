# SPDX-License-Identifier: Apache-2.0
"""The safetensors file format: 8 bytes little-endian header length, a JSON header, then dense row-major tensors.

The reader trusts nothing: every count and offset is checked before it is used, and every fault is one CheckpointError."""
import json
import math
import os
import secrets

MAX_HEADER = 100_000_000
ITEM_SIZES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "I8": 1, "U8": 1, "BOOL": 1}


class CheckpointError(ValueError):
    """A file that is not a valid checkpoint, or an object that cannot be one."""


def write(path, tensors, metadata):
    """Writes name -> (dtype name, shape, bytes-like) whole or not at all: a temporary file, synced, then renamed."""
    order = sorted(tensors, key=lambda name: -ITEM_SIZES[tensors[name][0]])  # keeps every tensor aligned
    header, offset = {"__metadata__": metadata}, 0
    for name in order:
        dtype, shape, data = tensors[name]
        size = memoryview(data).nbytes
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > MAX_HEADER:
        raise CheckpointError(f"{path}: the header has {len(text)} bytes, wanted at most {MAX_HEADER}")
    temporary = f"{path}.{secrets.token_hex(4)}.tmp"
    try:
        with open(temporary, "xb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for name in order:
                file.write(tensors[name][2])
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    _sync_folder(os.path.dirname(os.path.abspath(path)))


def _sync_folder(folder):
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(path):
    """(tensors, metadata): name -> (dtype name, shape, memoryview), and the header's string -> string metadata."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < 8:
            raise CheckpointError(f"{path}: found {size} bytes, wanted a safetensors file (8 or more)")
        length = int.from_bytes(file.read(8), "little")
        if length > MAX_HEADER or length > size - 8:
            raise CheckpointError(f"{path}: found a header length of {length}, wanted at most {min(MAX_HEADER, size - 8)}")
        header = _parse(path, file.read(length))
        body = memoryview(file.read())
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise CheckpointError(f"{path}: __metadata__ is not a map of strings")
    spans = {name: _span(path, name, entry, len(body)) for name, entry in header.items()}
    _check_cover(path, spans, len(body))
    return {name: (dtype, shape, body[begin:end]) for name, (dtype, shape, begin, end) in spans.items()}, metadata


def _unique(pairs):
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name appears twice")
    return found


def parse_json(text):
    """json.loads that refuses repeated names; raises ValueError for anything malformed, however deep."""
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _parse(path, text):
    try:
        header = parse_json(text.decode())
    except ValueError as error:
        raise CheckpointError(f"{path}: the header is not JSON: {error}") from None
    if not isinstance(header, dict):
        raise CheckpointError(f"{path}: the header is a {type(header).__name__}, wanted an object")
    return header


def _is_count(value):
    return type(value) is int and 0 <= value < 2**63


def _span(path, name, entry, body):
    """(dtype, shape, begin, end) of one header entry, checked against the size of the body."""
    def fail(what):
        return CheckpointError(f"{path}: tensor {name!r}: {what}")

    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise fail("wanted dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in ITEM_SIZES:
        raise fail(f"found dtype {dtype!r}, wanted one of {', '.join(ITEM_SIZES)}")
    if not isinstance(shape, list) or len(shape) > 64 or not all(map(_is_count, shape)):
        raise fail("the shape is not a list of at most 64 extents")
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(map(_is_count, offsets)):
        raise fail("data_offsets are not two offsets")
    begin, end = offsets
    if not begin <= end <= body:
        raise fail(f"found data at {begin} to {end}, wanted it within the {body} bytes that follow the header")
    if math.prod(shape) * ITEM_SIZES[dtype] != end - begin:
        raise fail(f"found {end - begin} bytes, wanted {math.prod(shape) * ITEM_SIZES[dtype]} for {dtype} of shape {shape}")
    return dtype, tuple(shape), begin, end


def _check_cover(path, spans, body):
    at = 0
    for name, (_, _, begin, end) in sorted(spans.items(), key=lambda item: item[1][2:]):
        if begin != at:
            what = "overlaps the tensor before" if begin < at else f"leaves a hole of {begin - at} bytes before it"
            raise CheckpointError(f"{path}: tensor {name!r} {what}")
        at = end
    if at != body:
        raise CheckpointError(f"{path}: found {body - at} bytes after the last tensor, wanted none")
