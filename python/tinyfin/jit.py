# SPDX-License-Identifier: Apache-2.0
"""fin.jit: a function whose body becomes one graph. The first call of a signature records the body on its real inputs and
compiles; the second records again and compares; from then on no Python of the body runs."""
import functools
import types

from . import _core
from ._core import Tensor


class Leaf:
    """Stands for the i-th returned tensor in a result's structure."""

    __slots__ = ("index",)

    def __init__(self, index):
        self.index = index

    def __eq__(self, other):
        return isinstance(other, Leaf) and other.index == self.index

    def __hash__(self):
        return hash(self.index)


class NumberArgument:
    """An int or float argument inside a jitted body: a runtime scalar where it meets a tensor. Used in any other way it
    is the plain number, and its value becomes part of the signature."""

    __slots__ = ("_value", "_slot", "_used")

    def __init__(self, value, slot):
        self._value, self._slot, self._used = value, slot, False

    def _plain(self):
        self._used = True
        return self._value


def _forward_number_methods():
    def unary(name):
        return lambda self: getattr(self._plain(), name)()

    def binary(name):
        def method(self, other):
            if isinstance(other, Tensor):
                return NotImplemented
            if isinstance(other, NumberArgument):
                other = other._plain()
            return getattr(self._plain(), name)(other)

        return method

    for name in "add sub mul truediv floordiv mod pow radd rsub rmul rtruediv rfloordiv rmod rpow eq ne lt le gt ge".split():
        setattr(NumberArgument, f"__{name}__", binary(f"__{name}__"))
    for name in "neg pos abs bool float int index hash repr str round".split():
        setattr(NumberArgument, f"__{name}__", unary(f"__{name}__"))
    NumberArgument.__float__ = lambda self: float(self._plain())
    NumberArgument.__int__ = lambda self: int(self._plain())
    NumberArgument.__format__ = lambda self, spec: format(self._plain(), spec)


_forward_number_methods()
_core._set_jit_types(NumberArgument, Leaf)


def _replace_numbers(value, make, static=False):
    """The arguments with int and float leaves replaced, in the order in which the signature lists them."""
    kind = type(value)
    if not static and kind in (int, float):
        return make(value)
    if kind in (tuple, list):
        return kind(_replace_numbers(item, make, static) for item in value)
    if kind is dict:
        return {key: _replace_numbers(item, make, static) for key, item in value.items()}
    return value


def _template(value, tensors):
    """The result with tensors replaced by leaves; the tensors are appended in order."""
    if isinstance(value, Tensor):
        tensors.append(value)
        return Leaf(len(tensors) - 1)
    if isinstance(value, NumberArgument):
        return value._plain()
    if type(value) in (tuple, list):
        return type(value)(_template(item, tensors) for item in value)
    if type(value) is dict:
        return {key: _template(item, tensors) for key, item in value.items()}
    return value


def _guards(function):
    """(kind, container, key, value) of the globals and closure cells that the body names."""
    function = getattr(function, "__func__", function)
    code = getattr(function, "__code__", None)
    if code is None:
        return []
    found = []
    for name in code.co_names:
        if name in function.__globals__:
            found.append(("global", function.__globals__, name, function.__globals__[name]))
    for name, cell in zip(code.co_freevars, function.__closure__ or ()):
        try:
            found.append(("closure", cell, name, cell.cell_contents))
        except ValueError:  # not assigned yet
            pass
    return found


class Jitted:
    """What fin.jit returns."""

    def __init__(self, function, static_argnames=(), fullgraph=False, fallback="eager", max_recompiles=8):
        if fallback not in ("eager", "error"):
            raise ValueError(f'jit: fallback: found {fallback!r}, wanted "eager" or "error"')
        self._function = function
        self._static = frozenset([static_argnames] if isinstance(static_argnames, str) else static_argnames)
        self._fullgraph = fullgraph or fallback == "error"
        self._max_recompiles = max_recompiles
        self._jit = _core.JitFunction(self._static)
        self._jit.missing = _MISSING
        self._dispatch = self._jit.dispatch
        functools.update_wrapper(self, function, updated=())

    def __call__(self, *args, **kwargs):
        if _core.is_capturing():  # inside another jitted body: part of its graph
            return self._function(*args, **kwargs)
        result = self._dispatch(args, kwargs)
        return result if result is not _MISSING else self._record(args, kwargs)

    def __get__(self, instance, owner=None):
        return self if instance is None else types.MethodType(self, instance)

    def _record(self, args, kwargs):
        if self._jit.demoted(args, kwargs):
            return self._function(*args, **kwargs)
        capture = _core.Capture(self._jit, args, kwargs, self._fullgraph)
        numbers = []

        def make(value):
            numbers.append(NumberArgument(value, capture.number_slot(len(numbers), type(value) is float)))
            return numbers[-1]

        try:
            inner_args = _replace_numbers(args, make)
            inner_kwargs = {name: _replace_numbers(value, make, name in self._static) for name, value in kwargs.items()}
            result = self._function(*inner_args, **inner_kwargs)
        except BaseException:
            capture.abandon()
            raise
        del inner_args, inner_kwargs
        tensors = []
        template = _template(result, tensors)
        fixed = [i for i, number in enumerate(numbers) if number._used]
        reason = capture.finish(self._jit, tensors, template, _guards(self._function), fixed, self._max_recompiles)
        if reason and self._fullgraph:
            raise RuntimeError(f"jit: fullgraph=True, but {reason}")
        return result

    def trace(self, *args, dynamic=None):
        """The graph of a call with these arguments' shapes, without running or changing anything."""
        return Stage(self, args, dynamic)

    def lower(self, *args, dynamic=None):
        return self.trace(*args, dynamic=dynamic).lower()

    def explain(self):
        """One record a compiled signature: ops, kernels, interpreted ops, and why it was demoted to eager if it was."""
        return self._jit.explain()

    def cache_info(self):
        records = self._jit.explain()
        return {"hits": self._jit.hits, "signatures": len(records), "demoted": sum(bool(r["demoted"]) for r in records)}

    def cache_clear(self):
        self._jit.clear()


class Stage:
    """A graph on its way: trace() gives it as recorded, lower() after the backend's passes."""

    def __init__(self, jitted, args, dynamic, lowered=False):
        from .export import trace_text

        self._jitted, self._args, self._dynamic = jitted, args, dynamic
        self._text = trace_text(jitted._function, args, dynamic, lowered)

    def lower(self):
        return Stage(self._jitted, self._args, self._dynamic, lowered=True)

    def as_text(self):
        """MLIR text."""
        return self._text

    def compile(self):
        """The jitted function: its first call of a signature compiles, later ones run without Python."""
        return self._jitted


class _Missing:
    pass


_MISSING = _Missing()


def jit(function=None, *, static_argnames=(), donate=(), dynamic=None, fullgraph=False, fallback="eager", max_recompiles=8,
        device=None):
    """Compiles a function, or a Module's forward, as one graph. Use bare or with arguments.

    static_argnames: names of keyword arguments whose values are part of the signature.
    fullgraph, fallback: with fullgraph=True or fallback="error" whatever would demote the function to eager is an error.
    max_recompiles: how many variants of one signature are kept before it is demoted.
    """
    if device not in (None, "cpu"):
        raise ValueError(f'jit: device: found {device!r}, wanted "cpu"')
    if function is None:
        return lambda body: jit(body, static_argnames=static_argnames, donate=donate, dynamic=dynamic, fullgraph=fullgraph,
                                fallback=fallback, max_recompiles=max_recompiles)
    return Jitted(function, static_argnames, fullgraph, fallback, max_recompiles)
