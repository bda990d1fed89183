# SPDX-License-Identifier: Apache-2.0
"""Functions over tensors with PyTorch's names: `fin.exp(x)` is `x.exp()`, and those that take several tensors (cat, stack, where)."""
import builtins

from . import _core
from ._core import Tensor, cat, promote_types, stack, where

METHODS = """abs add amax amin argmax clamp clone cos detach div eq erf exp expand flatten ge gt le log log_softmax
logical_and logical_not logical_or logical_xor lt matmul max maximum mean min minimum mul ne neg numel permute pow
reciprocal relu reshape rsqrt sigmoid sign sin softmax sqrt square squeeze sub sum tanh transpose unsqueeze""".split()
for _name in METHODS:
    globals()[_name] = getattr(Tensor, _name)

__all__ = [*METHODS, "cat", "concat", "stack", "where", "promote_types", "allclose", "eye", "linspace"]

concat = cat


def linspace(start, end, steps, dtype=None):
    """`steps` numbers from start to end, both included, equally far apart."""
    if steps < 2:
        return _core.full((steps,), float(start), dtype=dtype or _core.float32)
    wide = _core.arange(steps, dtype=_core.float64) * ((end - start) / (steps - 1)) + start
    return wide.to(dtype or _core.float32)


def eye(n, m=None, dtype=None):
    """[n, m] with ones on the diagonal."""
    rows, columns = _core.arange(n).unsqueeze(1), _core.arange(n if m is None else m)
    return (rows == columns).to(dtype or _core.float32)


def allclose(a, b, rtol=1e-5, atol=1e-8):
    """Whether |a - b| <= atol + rtol * |b| everywhere. Observes."""
    return builtins.bool(((a - b).abs() <= b.abs() * rtol + atol).to(_core.float32).amin().item()) if a.numel() else True
