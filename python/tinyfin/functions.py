# SPDX-License-Identifier: Apache-2.0
"""Functions over tensors with PyTorch's names: `fin.exp(x)` is `x.exp()`, and those that take several tensors."""
import builtins

from . import _core
from ._core import Tensor, ops

METHODS = """abs add amax amin argmax clamp clone cos detach div eq erf exp expand flatten ge gt le log log_softmax
logical_and logical_not logical_or logical_xor lt matmul max maximum mean min minimum mul ne neg numel permute pow
reciprocal relu reshape rsqrt sigmoid sign sin softmax sqrt square squeeze sub sum tanh transpose unsqueeze""".split()
for _name in METHODS:
    globals()[_name] = getattr(Tensor, _name)

__all__ = [*METHODS, "cat", "concat", "stack", "where", "promote_types", "allclose"]

# PyTorch's lattice, as ranks within a category; bool < integers < floats.
_FLOATS = [_core.float16, _core.bfloat16, _core.float32, _core.float64]
_INTEGERS = [_core.int8, _core.int32, _core.int64]


def promote_types(a, b):
    """The dtype that holds values of both, by PyTorch's rule (no values are looked at)."""
    if a == b:
        return a
    for dtype, other in ((a, b), (b, a)):
        if dtype == _core.bool_:
            return other
        if dtype in _FLOATS and other not in _FLOATS:
            return dtype
    if a in _FLOATS:
        halves = {_core.float16, _core.bfloat16}
        return _core.float32 if {a, b} == halves else _FLOATS[builtins.max(_FLOATS.index(a), _FLOATS.index(b))]
    if _core.uint8 in (a, b):
        other = b if a == _core.uint8 else a
        return {_core.int8: _core.int32}.get(other, other)
    return _INTEGERS[builtins.max(_INTEGERS.index(a), _INTEGERS.index(b))]


def _common(tensors):
    dtype = tensors[0].dtype
    for t in tensors[1:]:
        dtype = promote_types(dtype, t.dtype)
    return [t if t.dtype == dtype else t.to(dtype) for t in tensors]


def _axis(dim, rank):
    if not -rank <= dim < rank:
        raise IndexError(f"dim: found {dim}, wanted one of a tensor of rank {rank}")
    return dim % rank


def cat(tensors, dim=0):
    """Joins tensors along an axis; dtypes are promoted."""
    tensors = list(tensors)
    if not tensors:
        raise ValueError("cat: found no tensors, wanted at least one")
    return ops.concat(_common(tensors), _axis(dim, tensors[0].ndim))


concat = cat


def stack(tensors, dim=0):
    """Joins tensors of one shape along a new axis."""
    tensors = list(tensors)
    if not tensors:
        raise ValueError("stack: found no tensors, wanted at least one")
    shapes = {tuple(t.shape) for t in tensors}
    if len(shapes) > 1:
        raise ValueError(f"stack: found shapes {sorted(shapes)}, wanted equal ones")
    dim = _axis(dim, tensors[0].ndim + 1)
    return cat([t.unsqueeze(dim) for t in tensors], dim)


def where(condition, x, y):
    """x where condition, else y; x and y broadcast and may be numbers."""
    if isinstance(x, Tensor) and isinstance(y, Tensor) and x.dtype != y.dtype:
        x, y = _common([x, y])
    elif not isinstance(x, Tensor) and not isinstance(y, Tensor):
        x = _core.tensor(x)
        y = _core.tensor(y)
        x, y = _common([x, y])
    return ops.select(condition, x, y)


def allclose(a, b, rtol=1e-5, atol=1e-8):
    """Whether |a - b| <= atol + rtol * |b| everywhere. Observes."""
    return builtins.bool(((a - b).abs() <= b.abs() * rtol + atol).to(_core.float32).amin().item()) if a.numel() else True
