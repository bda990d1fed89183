# SPDX-License-Identifier: Apache-2.0
"""Compiles a graph to a library, calls it with random inputs and compares each output with tinyfin-run's interpreter.

check.py GRAPH FOLDER [SIZES] [OPTION...]: SIZES such as N=1,3,64 (or - for none) are tried with one library; options go
to tinyfin-compile. Inputs of integers are 0 or 1, so that they are indices of anything;
inputs whose names begin with zeros or ones are just that.
"""
import ctypes
import pathlib
import re
import subprocess
import sys

import numpy as np

FIELD = re.compile(r"^  (?:const )?\w+ \*(\w+); /\* (in|out): (\w+)\[(.*?)\]", re.M)
TOLERANCE = {"float32": 1e-5, "float64": 1e-12, "bfloat16": 2e-2, "float16": 2e-3}


def storage(dtype):
    return {"bfloat16": "uint16"}.get(dtype, dtype)


def widened(array, dtype):
    """What .npy files hold: bfloat16 is float32 there."""
    if dtype == "bfloat16":
        return (array.astype("uint32") << 16).view("float32")
    return array.astype("bool") if dtype == "bool" else array


def parameters(header):
    """(name, in or out, dtype, list of extents as text) of each tensor, and the names of the dims."""
    tensors = [(n, way, dtype, [d for d in dims.split(", ") if d]) for n, way, dtype, dims in FIELD.findall(header)]
    return tensors, re.findall(r"^  int64_t (\w+); /\* at least 1", header, re.M)


def extent(text, sizes):
    factor, _, name = text.rpartition("*")
    return int(factor or 1) * (sizes[name] if name in sizes else int(name))


def random_input(rng, name, dtype, shape):
    if name.startswith(("zeros", "ones")):
        return np.full(shape, name.startswith("ones"), storage(dtype))
    if dtype in ("float32", "float64", "float16"):
        return rng.standard_normal(shape).astype(dtype)
    if dtype == "bfloat16":
        return (rng.standard_normal(shape).astype("float32").view("uint32") >> 16).astype("uint16")
    return rng.integers(0, 2, shape).astype(storage(dtype))


def call(library, name, dims, sizes, arrays, threads):
    handle = getattr(library, name + "_create")
    handle.restype = ctypes.c_void_p
    error = getattr(library, name + "_error")
    error.restype, error.argtypes = ctypes.c_char_p, [ctypes.c_void_p]
    self = ctypes.c_void_p(handle())
    assert self.value, error(None)
    assert getattr(library, name + "_set_threads")(self, threads) == 0
    words = [0] + [sizes[d] for d in dims] + [a.ctypes.data for a in arrays]
    words[0] = 8 * len(words)
    status = getattr(library, name + "_run")(self, (ctypes.c_int64 * len(words))(*words))
    assert status == 0, error(self)
    getattr(library, name + "_destroy")(self)


def expected(graph, folder, tensors, arrays, sizes):
    command = ["tinyfin-run", graph, "--backend=interpreter"] + [o for d, n in sizes.items() for o in ("--dim", f"{d}={n}")]
    for i, ((_, way, _, _), array) in enumerate(zip(tensors, arrays)):
        if way == "in":
            np.save(folder / f"in{i}.npy", widened(array, tensors[i][2]))
            command.append(f"--input=@{folder / f'in{i}.npy'}")
    outputs = [t for t in tensors if t[1] == "out"]
    command += [f"--output={i}=@{folder / f'out{i}.npy'}" for i in range(len(outputs))]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return [np.load(folder / f"out{i}.npy") for i in range(len(outputs))]


def compare(name, dtype, found, wanted):
    tolerance = TOLERANCE.get(dtype, 0)
    found, wanted = widened(found, dtype).astype("float64"), wanted.reshape(found.shape).astype("float64")
    assert np.allclose(found, wanted, tolerance, tolerance, equal_nan=True), (name, found, wanted)


def main():
    graph, folder, choices, *options = sys.argv[1:]
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["tinyfin-compile", graph, "-o", folder / "libcheck.so", "--header", folder / "check.h", *options], check=True)
    tensors, dims = parameters((folder / "check.h").read_text())
    library = ctypes.CDLL(str(folder / "libcheck.so"))
    name, _, values = choices.partition("=")
    for size in [int(v) for v in values.split(",")] if values else [None]:
        sizes = {name: size} if values else {}
        rng = np.random.default_rng(7)
        shapes = [[extent(d, sizes) for d in dims_] for _, _, _, dims_ in tensors]
        arrays = [random_input(rng, t[0], t[2], shape) if t[1] == "in" else np.zeros(shape, storage(t[2])) for t, shape in zip(tensors, shapes)]
        wanted = expected(graph, folder, tensors, arrays, sizes)
        for threads in (1, 3):
            call(library, "check", dims, sizes, arrays, threads)
            outputs = [(t, a) for t, a in zip(tensors, arrays) if t[1] == "out"]
            for (t, array), value in zip(outputs, wanted):
                compare(t[0], t[2], array, value)
                array.fill(0)
        print(f"{choices if not values else f'{name}={size}'}: {len(wanted)} outputs agree")


main()
