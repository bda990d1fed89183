# SPDX-License-Identifier: Apache-2.0
"""What Tensor needs from Python: text, copies, pickling, exchange."""
from . import _core
from ._core import Tensor


def from_dlpack(source):
    """A tensor with a copy of the data of any object that supports DLPack on the CPU."""
    import numpy

    return _core.from_numpy(numpy.from_dlpack(source))


def _repr(self):
    if any(not isinstance(extent, int) for extent in self.shape):
        return f"Placeholder({self.dtype.name}{list(self.shape)})"
    import numpy

    shown = self if self.dtype is not _core.bfloat16 else self.to(_core.float32)
    with numpy.printoptions(precision=4, threshold=1000, edgeitems=3):
        body = numpy.array2string(shown.numpy(), separator=", ", prefix="tensor(")
    parts = [body]
    if self.dtype not in (_core.float32, _core.int64, _core.bool_):
        parts.append(f"dtype={self.dtype!r}")
    if self.grad_fn:
        parts.append(f"grad_fn=<{self.grad_fn}>")
    elif self.requires_grad:
        parts.append("requires_grad=True")
    return "tensor(" + ", ".join(parts) + ")"


def _format(self, spec):
    return format(self.item(), spec) if self.ndim == 0 and spec else repr(self) if self.ndim else str(self.item())


def _iter(self):
    if self.ndim == 0:
        raise TypeError("iteration over a 0-d tensor")
    return (self[i] for i in range(len(self)))


def _contains(self, value):
    return bool((self == value).to(_core.int64).sum() != 0)


def _deepcopy(self, memo):
    if not self.is_leaf:
        raise RuntimeError("only leaf tensors can be deep-copied; detach() first")
    copy = type(self)(self.detach().clone())
    copy.requires_grad = self.requires_grad
    if self.grad is not None:
        copy.grad = self.grad.clone()
    memo[id(self)] = copy
    return copy


def _rebuild(kind, array, dtype, requires_grad):
    tensor = kind(_core.from_numpy(array).to(dtype))
    tensor.requires_grad = requires_grad
    return tensor


def _reduce(self, protocol):
    plain = self.detach()
    array = (plain.to(_core.float32) if self.dtype is _core.bfloat16 else plain).numpy()
    return _rebuild, (type(self), array, self.dtype, self.requires_grad)


def _dlpack(self, **kwargs):
    return self.numpy().__dlpack__(**kwargs)


for _name, _function in {
    "__repr__": _repr,
    "__format__": _format,
    "__iter__": _iter,
    "__contains__": _contains,
    "__deepcopy__": _deepcopy,
    "__reduce_ex__": _reduce,
    "__dlpack__": _dlpack,
    "__dlpack_device__": lambda self: (1, 0),
    "size": lambda self, dim=None: self.shape if dim is None else self.shape[dim],
    "dim": lambda self: self.ndim,
    "cpu": lambda self: self,
    "all": lambda self: (self.logical_not().to(_core.int64).sum() == 0),
    "any": lambda self: (self.to(_core.bool_).to(_core.int64).sum() != 0),
}.items():
    setattr(Tensor, _name, _function)
Tensor.__array_priority__ = 1000
