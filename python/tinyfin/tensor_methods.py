# SPDX-License-Identifier: Apache-2.0
"""Methods of Tensor that are better said in Python: text, copying, DLPack. Importing this module adds them to the type."""
from . import _core
from ._core import Tensor


def _text(self):
    """tensor(values, dtype, requires_grad), as in PyTorch. Observes, but not inside a jitted function."""
    if _core.is_capturing():
        return f"tensor(..., shape={tuple(self.shape)}, dtype={self.dtype!r})"
    import numpy as np

    head = "tensor("
    values = self.detach()
    values = (values.to(_core.float32) if self.dtype == _core.bfloat16 else values).numpy()
    body = np.array2string(values, precision=4, separator=", ", prefix=head, threshold=1000, suppress_small=True)
    if values.size == 0 and values.shape != (0,):
        body += f", size={values.shape}"
    plain = self.dtype in (_core.float32, _core.int64, _core.bool_)
    extra = "" if plain and values.size else f", dtype={self.dtype!r}"
    return head + body + extra + (", requires_grad=True" if self.requires_grad else "") + ")"


def _format(self, spec):
    return format(self.item(), spec) if self.ndim == 0 and spec else str(self)


def _deepcopy(self, memo):
    if not self.is_leaf:
        raise RuntimeError("only leaves can be copied by copy.deepcopy: found the result of an op; use clone() or detach()")
    if id(self) not in memo:
        memo[id(self)] = Tensor(self.detach().clone(), self.requires_grad)
    return memo[id(self)]


def _dlpack(self, *, stream=None, max_version=None, dl_device=None, copy=None):
    """A read-only capsule that shares memory. Consumers of DLPack before 1.0, which cannot know that it is read-only, get a copy."""
    array = self.detach().numpy()
    if max_version is None or max_version[0] < 1:
        return array.copy().__dlpack__()
    return array.__dlpack__(max_version=max_version, copy=copy)


def _dlpack_device(self):
    return (1, 0)  # kDLCPU, device 0


def from_dlpack(source, copy=True):
    """A tensor of anything that has __dlpack__. Copies unless `copy=False` promises that nobody writes to the source."""
    import numpy as np

    if not hasattr(source, "__dlpack__"):
        raise TypeError(f"from_dlpack: found {type(source).__name__}, wanted something with __dlpack__()")
    return _core.from_numpy(np.from_dlpack(source), copy=copy)


Tensor.__array_priority__ = 1000  # beside an array or a NumPy number, our operators are called
Tensor.__repr__ = Tensor.__str__ = _text
Tensor.__format__ = _format
Tensor.__deepcopy__ = _deepcopy
Tensor.__dlpack__ = _dlpack
Tensor.__dlpack_device__ = _dlpack_device
