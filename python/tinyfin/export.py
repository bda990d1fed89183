# SPDX-License-Identifier: Apache-2.0
"""Graphs for other programs: tinyfin-opt, tinyfin-run, tinyfin-compile."""
import os

from . import _core
from ._core import Tensor


def _names(target, count):
    """The parameter names of a function or of a Module's forward, or x0, x1, ... where they do not say."""
    import inspect  # slow to import, and rarely needed

    function = getattr(target, "forward", target)
    function = getattr(function, "_function", function)
    try:
        parameters = [p.name for p in inspect.signature(function).parameters.values()
                      if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    except (TypeError, ValueError):
        parameters = []
    return parameters[:count] if len(parameters) >= count else [f"x{i}" for i in range(count)]


def _specs(inputs, names, dynamic):
    symbols = [{} for _ in inputs]
    for which, dims in (dynamic or {}).items():
        index = names.index(which) if which in names else which
        if not isinstance(index, int) or not 0 <= index < len(inputs):
            raise ValueError(f"export: dynamic: found input {which!r}, wanted an index below {len(inputs)} or one of {names}")
        for axis, name in dims.items():
            if not isinstance(axis, int) or not -inputs[index].ndim <= axis < inputs[index].ndim:
                raise ValueError(f"export: dynamic: axis {axis!r} of input {which!r} is out of range for rank {inputs[index].ndim}")
            symbols[index][axis % inputs[index].ndim] = name
    return [(x.dtype, [symbols[i].get(axis, extent) for axis, extent in enumerate(x.shape)]) for i, x in enumerate(inputs)]


def _flatten(result, prefix="result"):
    if isinstance(result, Tensor):
        return [(prefix, result)]
    if isinstance(result, dict):
        return [pair for key, value in result.items() for pair in _flatten(value, str(key))]
    if isinstance(result, (tuple, list)):
        return [pair for i, value in enumerate(result) for pair in _flatten(value, f"{prefix}{i}")]
    if result is None:
        return []
    raise TypeError(f"export: the function must return tensors, found {type(result).__name__}")


class Traced:
    """A function recorded on placeholders; nothing was computed and no state touched."""

    def __init__(self, target, inputs, dynamic=None):
        inputs = list(inputs)
        for i, x in enumerate(inputs):
            if not isinstance(x, Tensor):
                raise TypeError(f"export: example input {i}: wanted a Tensor, found {type(x).__name__}")
        names = _names(target, len(inputs))
        self._capture = _core.ExportCapture(_specs(inputs, names, dynamic))
        try:
            flat = _flatten(getattr(target, "_function", target)(*self._capture.placeholders))
        except BaseException:
            del self._capture  # takes back what the body did
            raise
        self._arguments = ([tensor for _, tensor in flat], names, [name for name, _ in flat])


def trace_text(target, inputs, dynamic=None, lowered=False):
    traced = Traced(target, inputs, dynamic)
    return (traced._capture.lowered if lowered else traced._capture.text)(*traced._arguments)


def export(target, example_inputs, path, dynamic=None):
    """Writes a function or Module as a graph file that needs no Python.

    target: called with the example inputs' shapes and dtypes; their values are not used. What it reads and does not
        write (weights) becomes constants, what it writes (a training step's parameters) is passed in and out.
    example_inputs: Tensors, positional.
    path: `.mlir` text; with the ending `.finb` bytecode in a checked envelope.
    dynamic: {input index or name: {axis: "N"}}: dims that stay symbolic.
    Raises RuntimeError where the function looks at values, TypeError and ValueError for wrong arguments.
    """
    if isinstance(example_inputs, Tensor):
        example_inputs = (example_inputs,)
    traced = Traced(target, example_inputs, dynamic)
    traced._capture.write(*traced._arguments, os.fspath(path))
