# SPDX-License-Identifier: Apache-2.0
"""What is stored as float16 or bfloat16 is calculated in float32."""
from . import _core
from ._core import Tensor


def calculation_dtype(dtype):
    """What is calculated in where `dtype` is stored: float32 for halves, which only round what they store."""
    return _core.float32 if dtype in (_core.bfloat16, _core.float16) else dtype


def widening(dtype):
    """The cast of a tensor of `dtype` for calculation."""
    return _same if calculation_dtype(dtype) == dtype else Tensor.float


def _same(x):
    return x
