# SPDX-License-Identifier: Apache-2.0
"""What a recorded body depends on besides its arguments, and what it leaves behind besides its result.

Guards are the globals, closure cells and plain attributes that the body's code, and that of the functions it calls, names.
They are found by reading code objects, not by running them: a name that is never reached costs a comparison a call."""
import functools
import gc
import sys
import types

from ._core import Tensor

_PLAIN = (bool, int, float, str, type(None))
_FOREIGN = {"tinyfin", "numpy", "torch", "math", "functools", "itertools", "builtins"}
_LIMIT = 256  # guards of one function


def _is_foreign(name):
    root = (name or "").partition(".")[0]
    return root in _FOREIGN or root in sys.stdlib_module_names


def _codes(code):
    """A code object and those of the lambdas, comprehensions and functions inside."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


class _Finder:
    def __init__(self):
        self.found, self.seen = [], set()

    def add(self, kind, container, name, value):
        if len(self.found) < _LIMIT and (id(container), name) not in self.seen:
            self.seen.add((id(container), name))
            self.found.append((kind, container, name, value))

    def function(self, function):
        """A function's globals and closure, and what these lead to."""
        if id(function) in self.seen or _is_foreign(function.__module__):
            return
        self.seen.add(id(function))
        codes = list(_codes(function.__code__))
        names = {name for code in codes for name in code.co_names}
        texts = {constant for code in codes for constant in code.co_consts if type(constant) is str}
        for name in names & function.__globals__.keys():
            value = function.__globals__[name]
            if not isinstance(value, types.ModuleType):
                self.add("global", function.__globals__, name, value)
            self.value(value, names, texts)
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
            try:
                value = cell.cell_contents
            except ValueError:  # not assigned yet
                continue
            self.add("closure", cell, name, value)
            self.value(value, names, texts)

    def value(self, value, names, texts):
        """What the names and texts of the code that has `value` can reach through it."""
        if isinstance(value, types.FunctionType):
            return self.function(value)
        if isinstance(value, types.MethodType):
            self.value(value.__self__, names | set(value.__func__.__code__.co_names) if hasattr(value.__func__, "__code__") else names, texts)
            return self.value(value.__func__, names, texts)
        if isinstance(value, functools.partial):
            for part in (value.func, *value.args, *value.keywords.values()):
                self.value(part, names, texts)
            return None
        if type(value) is dict:
            return self.items(value, texts)
        if isinstance(value, (Tensor, type, *_PLAIN)) or id(value) in self.seen:
            return None
        self.seen.add(id(value))
        if isinstance(value, types.ModuleType):
            return None if _is_foreign(value.__name__) else self.items(vars(value), names)
        if type(value) in (tuple, list):
            for item in value[:16]:
                self.value(item, names, texts)
            return None
        return self.object(value, names, texts)

    def items(self, container, names):
        for name in names & container.keys():
            if isinstance(container[name], _PLAIN):
                self.add("item", container, name, container[name])

    def object(self, value, names, texts):
        """A user's object: the methods that may be called, and its plain attributes. Modules say themselves what is set."""
        modules = list(value.modules()) if hasattr(value, "modules") and hasattr(value, "named_parameters") else []
        for module in modules:
            if not _is_foreign(type(module).__module__):
                self.methods(type(module), {"forward", "__call__"} | names)
        if hasattr(value, "__wrapped__"):
            self.value(value.__wrapped__, names, texts)
        if modules or _is_foreign(type(value).__module__):
            return
        used = names | self.methods(type(value), names | {"__call__"})
        attributes = getattr(value, "__dict__", None)
        if type(attributes) is dict:
            self.items(attributes, used)
            for name in used & attributes.keys():
                if type(attributes[name]) is dict:
                    self.items(attributes[name], texts)

    def methods(self, kind, names):
        """Visits the methods of these names; returns the names that their code uses."""
        used = set()
        for name in names:
            method = getattr(kind, name, None)
            method = getattr(method, "__wrapped__", method)
            if isinstance(method, types.FunctionType) and not _is_foreign(method.__module__):
                self.function(method)
                used |= {name for code in _codes(method.__code__) for name in code.co_names}
        return used


def guards_of(function, args, kwargs):
    """(kind, container, key, value) of what the body names; a later call with another value is another variant."""
    finder = _Finder()
    names = set(getattr(getattr(function, "__code__", None), "co_names", ()))
    for value in (function, *args, *kwargs.values()):
        finder.value(value, names, set())
    return finder.found


def _nodes(value, nodes, is_new):
    """The tensors of a result that are new, and what contains them, once for each place where they stand."""
    if isinstance(value, Tensor):
        has_new = is_new(value)
    elif type(value) in (list, dict) or isinstance(value, tuple):
        has_new = any([_nodes(item, nodes, is_new) for item in (value.values() if type(value) is dict else value)])
    else:
        return False
    if has_new:
        nodes.append(value)
    return has_new


def _excess(nodes):
    """Those with more references than their places in the result and in `nodes` explain."""
    places = {}
    for key in map(id, nodes):
        places[key] = places.get(key, 0) + 1
    return [node for node in nodes if sys.getrefcount(node) > 2 * places[id(node)] + _BASE]


def _measure_base():
    """What getrefcount() itself and the loop above add, which differs between Python versions."""
    holder, nodes = [[]], []
    nodes += holder
    return [sys.getrefcount(node) - 2 for node in nodes][0]


_BASE = _measure_base()


def kept_elsewhere(box, made_at):
    """Why a result in `box` cannot be made by later calls without Python: something else holds it too. "" if nothing does."""
    for attempt in range(2):
        nodes = []
        _nodes(box[0], nodes, lambda tensor: made_at(tensor) is not None)
        suspects = _excess(nodes)
        del nodes
        if not suspects:
            return ""
        if attempt == 0:
            suspects = None
            gc.collect()  # cycles of the body's own
    tensor = next((node for node in suspects if isinstance(node, Tensor)), None)
    where = made_at(tensor) if tensor is not None else ""
    return f"what is returned is also kept outside the function{where}"
