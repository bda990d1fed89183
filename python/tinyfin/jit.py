# SPDX-License-Identifier: Apache-2.0
"""fin.jit: a function whose body becomes one graph. The first call of a signature records the body on its real inputs and
compiles; the second records again and compares; from then on no Python of the body runs."""
import functools
import types

from . import _core
from ._core import Tensor
from .guards import guards_of, kept_elsewhere


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

    @property
    def __class__(self):  # isinstance() asks; the type is part of the signature anyhow
        return type(self._value)

    def _plain(self):
        self._used = True
        return self._value

    def __getattr__(self, name):
        return getattr(self._plain(), name)


def _forward_number_methods():
    def unary(name):
        return lambda self, *rest: getattr(self._plain(), name)(*rest)

    def binary(name):
        def method(self, other):
            if isinstance(other, Tensor):
                return NotImplemented
            if type(other) is NumberArgument:
                other = other._plain()
            return getattr(self._plain(), name)(other)

        return method

    for name in ("add sub mul truediv floordiv mod divmod pow and or xor lshift rshift radd rsub rmul rtruediv rfloordiv rmod rdivmod "
                 "rpow rand ror rxor rlshift rrshift eq ne lt le gt ge").split():
        setattr(NumberArgument, f"__{name}__", binary(f"__{name}__"))
    for name in "neg pos abs invert hash repr str round trunc floor ceil format".split():
        setattr(NumberArgument, f"__{name}__", unary(f"__{name}__"))
    NumberArgument.__index__ = lambda self: self._plain().__index__()
    NumberArgument.__bool__ = lambda self: bool(self._plain())
    NumberArgument.__float__ = lambda self: float(self._plain())
    NumberArgument.__int__ = lambda self: int(self._plain())
    NumberArgument.__complex__ = lambda self: complex(self._plain())


_forward_number_methods()
_core._set_jit_types(NumberArgument, Leaf)


def _replace_numbers(value, make, static=False):
    """The arguments with int and float leaves replaced, in the order in which the signature lists them."""
    kind = type(value)
    if not static and (kind is float or kind is int and -1 << 63 <= value < 1 << 63):
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
    if type(value) is NumberArgument:
        return value._plain()
    if type(value) in (tuple, list):
        return type(value)(_template(item, tensors) for item in value)
    if isinstance(value, tuple) and hasattr(value, "_make"):
        return value._make(_template(item, tensors) for item in value)
    if type(value) is dict:
        return {key: _template(item, tensors) for key, item in value.items()}
    return value


def _plain_result(value):
    """The result with number arguments as the numbers they are."""
    if type(value) is NumberArgument:
        return value._value
    if type(value) in (tuple, list) and any(type(item) is NumberArgument for item in value):
        return type(value)(map(_plain_result, value))
    return value


def _positions(function, names):
    """Where the parameters of these names stand."""
    if not names:
        return []
    import inspect  # slow to import, and rarely needed

    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    return [i for i, p in enumerate(parameters) if p.name in names and p.kind is not p.KEYWORD_ONLY]


def _names(static_argnames):
    names = [static_argnames] if isinstance(static_argnames, str) else static_argnames
    if not isinstance(names, (list, tuple, set, frozenset)) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"jit: static_argnames: found {static_argnames!r}, wanted a name or a list of names")
    return frozenset(names)


def _kept_bytes(remat):
    """`remat` as the compiler's budget: -1 leaves it to the setting."""
    if isinstance(remat, int) and not isinstance(remat, bool) and 0 <= remat < 1 << 63:
        return remat
    if isinstance(remat, str) and remat in ("auto", "none"):
        return -1 if remat == "auto" else (1 << 63) - 1
    raise ValueError(f'jit: remat: found {remat!r}, wanted "auto", "none" or how many bytes may be kept')


class Jitted:
    """What fin.jit returns."""

    def __init__(self, function, static_argnames=(), fullgraph=False, fallback="eager", max_recompiles=8, freeze=False, remat="auto", autotune=None):
        if fallback not in ("eager", "error"):
            raise ValueError(f'jit: fallback: found {fallback!r}, wanted "eager" or "error"')
        if not callable(function):
            raise TypeError(f"jit: found {type(function).__name__}, wanted something to call")
        if isinstance(max_recompiles, bool) or not isinstance(max_recompiles, int) or max_recompiles < 1:
            raise ValueError(f"jit: max_recompiles: found {max_recompiles!r}, wanted an int above 0")
        self._function = function
        self._static = _names(static_argnames)
        self._positions = _positions(function, self._static)
        self._fullgraph = fullgraph or fallback == "error"
        self._max_recompiles = max_recompiles
        self._jit = _core.JitFunction(self._static, self._positions)
        self._jit.missing = _MISSING
        self._jit.freezes = bool(freeze)
        self._jit.keep_bytes = _kept_bytes(remat)
        if autotune not in (None, True, False):
            raise ValueError(f"jit: autotune: found {autotune!r}, wanted True, False or None")
        self._jit.autotune = autotune
        self._dispatch = self._jit.dispatch
        functools.update_wrapper(self, function, updated=())

    def __call__(self, *args, **kwargs):
        result = self._dispatch(args, kwargs)
        return result if result is not _MISSING else self._record(args, kwargs)

    def __get__(self, instance, owner=None):
        return self if instance is None else types.MethodType(self, instance)

    def _record(self, args, kwargs):
        if _core.is_capturing() or self._jit.demoted(args, kwargs):  # inside another jitted body: part of its graph
            return self._function(*args, **kwargs)
        guards = guards_of(self._function, args, kwargs)
        capture = _core.Capture(self._jit, args, kwargs, self._fullgraph)
        numbers = []
        try:
            box = [self._run(capture, args, kwargs, numbers)]
            kept = kept_elsewhere(box, capture.made_at)
        except BaseException:
            capture.abandon()
            raise
        tensors = []
        template = _template(box[0], tensors)
        fixed = [i for i, number in enumerate(numbers) if number._used]
        reason = capture.finish(self._jit, tensors, template, guards, fixed, self._max_recompiles, kept)
        if reason and self._fullgraph:
            raise RuntimeError(f"jit: fullgraph=True, but {reason}")
        return _plain_result(box[0])

    def _run(self, capture, args, kwargs, numbers):
        def make(value):
            numbers.append(NumberArgument(value, capture.number_slot(len(numbers), type(value) is float)))
            return numbers[-1]

        inner_args = [_replace_numbers(value, make, i in self._positions) for i, value in enumerate(args)]
        inner_kwargs = {name: _replace_numbers(value, make, name in self._static) for name, value in kwargs.items()}
        return self._function(*inner_args, **inner_kwargs)

    def trace(self, *args, dynamic=None):
        """The graph of a call with these arguments' shapes, without running or changing anything."""
        return Stage(self, args, dynamic)

    def lower(self, *args, dynamic=None):
        return self.trace(*args, dynamic=dynamic).lower()

    def explain(self):
        """One record a compiled signature: ops, kernels, interpreted ops, and why it was demoted to eager if it was."""
        return self._jit.explain()

    def cache_info(self):
        """How many calls ran without Python, how many signatures and variants there are, how many of them run as eager code."""
        records = self._jit.explain()
        return {"hits": self._jit.hits, "signatures": len(records), "demoted": sum(bool(r["demoted"]) for r in records)}

    def cache_clear(self):
        self._jit.clear()


Jitted.__call__ = functools.wraps(Jitted.__call__)(_core.user_facing(Jitted.__call__))


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
        device=None, freeze=False, remat="auto", autotune=None):
    """Compiles a function, or a Module's forward, as one graph. Use bare or with arguments.

    static_argnames: names of arguments whose values are part of the signature.
    fullgraph, fallback: with fullgraph=True or fallback="error" whatever would demote the function to eager is an error.
    max_recompiles: how many variants of one signature are kept before it is demoted.
    donate: names of arguments that are not used after the call. State the function writes is reused in place without
        being named; the memory of other arguments is not reused in this version.
    dynamic: symbolic dims are for export; here every shape is a signature of its own, so only None and False are taken.
    freeze: tensors from outside that the body only reads (the weights, in inference) are constants of the graph: what can be
        prepared from them is prepared once (matrix products get them in the order they read them, in memory of their own).
        Takes effect with the third call; changing one compiles again at the next.
    remat: which values of the forward half are computed again in the backward half, so that they need not be kept. "auto": while
        more than TINYFIN_KEEP_BYTES (16 MB) would wait, cheap ones are. "none": none are. A number of bytes: as "auto", with this
        budget; 0 recomputes whatever is cheap enough. Inside another jitted function that one's choice holds.
    autotune: whether matrix products and convolutions are tried when the graph is compiled (20 ms a shape and a choice, once a
        process): generated kernel or plan, how the work is cut, direct or Winograd's form. explain() lists what was tried. Results
        differ by rounding from those without it, and may with the number of threads. None: as TINYFIN_AUTOTUNE says. Nothing is
        tried in deterministic mode, nor for graphs outside of fin.jit.
    Raises ValueError and NotImplementedError for options that are not there.
    """
    if dynamic not in (None, False):
        raise NotImplementedError(f"jit: dynamic: found {dynamic!r}, wanted None or False: every shape gets a graph of its own; "
                                  "fin.export takes symbolic dims")
    if device not in (None, "cpu"):
        raise ValueError(f'jit: device: found {device!r}, wanted "cpu"')
    if function is None:
        return lambda body: jit(body, static_argnames=static_argnames, donate=donate, dynamic=dynamic, fullgraph=fullgraph,
                                fallback=fallback, max_recompiles=max_recompiles, freeze=freeze, remat=remat, autotune=autotune)
    return Jitted(function, static_argnames, fullgraph, fallback, max_recompiles, freeze, remat, autotune)
