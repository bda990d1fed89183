# SPDX-License-Identifier: Apache-2.0
"""Modes of the current thread (gradient recording) and of the process (how eager code runs), as context managers."""
import functools

from . import _core


class _GradMode:
    """Use as `with no_grad():`, `@no_grad()` or `@no_grad`."""

    __slots__ = ("previous",)
    wanted = None

    def __new__(cls, function=None):
        self = super().__new__(cls)
        if function is not None and not callable(function):
            raise TypeError(f"{cls.__name__}: found {type(function).__name__}, wanted a function or nothing")
        return self if function is None else self(function)

    def __enter__(self):
        self.previous = _core.set_grad_enabled(self.wanted)
        return self

    def __exit__(self, *error):
        _core.set_grad_enabled(self.previous)

    def __call__(self, function):
        mode = type(self)

        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            with mode():
                return function(*args, **kwargs)

        return wrapper


class no_grad(_GradMode):
    """Inside, ops are not recorded for backward()."""

    wanted = False


class enable_grad(_GradMode):
    """Inside, ops are recorded for backward() again."""

    wanted = True


class autocast:
    """Mixed precision: inside, matrix products and convolutions of this thread take their float operands in `dtype`
    (bfloat16 or float16), and losses take theirs in float32; docs/semantics.md has the lists. Parameters stay float32 and
    get float32 gradients. Use as `with autocast():` or `@autocast()`; `enabled=False` switches it off inside another."""

    def __init__(self, dtype=_core.bfloat16, enabled=True):
        self.mode, self.outer = (bool(enabled), dtype), []
        _core._set_autocast(*_core._set_autocast(*self.mode))  # raises for a dtype it does not take

    def __enter__(self):
        self.outer.append(_core._set_autocast(*self.mode))
        return self

    def __exit__(self, *error):
        _core._set_autocast(*self.outer.pop())

    def __call__(self, function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            with autocast(self.mode[1], self.mode[0]):
                return function(*args, **kwargs)

        return wrapper


class eager_mode:
    """Inside, ops run at once ("immediate", for debugging) or are collected into graphs ("deferred", the default)."""

    def __init__(self, mode):
        if mode not in ("immediate", "deferred"):
            raise ValueError(f'eager_mode: found {mode!r}, wanted "immediate" or "deferred"')
        self.mode = mode

    def __enter__(self):
        self.previous = next(row[1] for row in _core.settings() if row[0] == "TINYFIN_EAGER")
        self._switch(self.mode)
        return self

    def __exit__(self, *error):
        self._switch(self.previous)

    def _switch(self, mode):
        _core.sync()
        _core.set_config("TINYFIN_EAGER", mode)
