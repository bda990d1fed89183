# SPDX-License-Identifier: Apache-2.0
"""Makes tracebacks of mistakes end in the user's line: wraps the package's public functions and methods in `_core.user_facing`."""
import functools
import types

from . import _core

SPECIAL = ("__init__", "__call__", "__getitem__", "__setitem__")


def _wrapped(function):
    return functools.update_wrapper(_core.user_facing(function), function)


def _wrap_class(kind):
    for name, member in list(vars(kind).items()):
        is_public = not name.startswith("_") and name != "forward" or name in SPECIAL
        if is_public and isinstance(member, types.FunctionType):
            setattr(kind, name, _wrapped(member))
        elif name == "__new__" and isinstance(member, staticmethod):
            setattr(kind, name, staticmethod(_wrapped(member.__func__)))


def wrap_package(*modules):
    """Wraps what the modules define themselves; names imported from a wrapped module follow it."""
    known = {}
    for module in modules:
        for name, member in list(vars(module).items()):
            home = getattr(member, "__module__", None) or ""
            if name.startswith("_") or not home.startswith(__package__):
                continue
            if isinstance(member, types.FunctionType):
                known.setdefault(member, None)
                known[member] = known[member] or _wrapped(member)
                setattr(module, name, known[member])
            elif isinstance(member, type) and member not in known and not issubclass(member, BaseException):
                known[member] = member
                _wrap_class(member)
