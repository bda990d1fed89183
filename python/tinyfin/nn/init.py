# SPDX-License-Identifier: Apache-2.0
"""Initializations, in place and outside the tape. Formulas and defaults are PyTorch's."""
import math

from .. import _core
from ..modes import no_grad

_GAINS = {"linear": 1.0, "conv2d": 1.0, "sigmoid": 1.0, "tanh": 5.0 / 3, "relu": math.sqrt(2.0), "selu": 0.75}


def calculate_gain(nonlinearity, param=None):
    if nonlinearity == "leaky_relu":
        return math.sqrt(2.0 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in _GAINS:
        raise ValueError(f"nonlinearity: found {nonlinearity!r}, wanted leaky_relu, {', '.join(_GAINS)}")
    return _GAINS[nonlinearity]


def fans(tensor):
    """(fan_in, fan_out) of a weight [out, in, ...]."""
    if _checked(tensor).ndim < 2:
        raise ValueError(f"fan in and fan out: found a tensor of rank {tensor.ndim}, wanted 2 or more")
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def _checked(tensor):
    if not isinstance(tensor, _core.Tensor):
        raise TypeError(f"init: found {type(tensor).__name__}, wanted a Tensor")
    return tensor


def _fill(tensor, values):
    with no_grad():
        return tensor.copy_(values)


def uniform_(tensor, a=0.0, b=1.0):
    with no_grad():
        return _fill(tensor, _core.rand(tuple(_checked(tensor).shape), dtype=tensor.dtype) * (b - a) + a)


def normal_(tensor, mean=0.0, std=1.0):
    with no_grad():
        return _fill(tensor, _core.randn(tuple(_checked(tensor).shape), dtype=tensor.dtype) * std + mean)


def constant_(tensor, value):
    with no_grad():
        return _checked(tensor).fill_(value)


def zeros_(tensor):
    return constant_(tensor, 0.0)


def ones_(tensor):
    return constant_(tensor, 1.0)


def xavier_uniform_(tensor, gain=1.0):
    bound = gain * math.sqrt(6.0 / sum(fans(tensor)))
    return uniform_(tensor, -bound, bound)


def xavier_normal_(tensor, gain=1.0):
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(fans(tensor))))


def _kaiming_std(tensor, a, mode, nonlinearity):
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode: found {mode!r}, wanted 'fan_in' or 'fan_out'")
    return calculate_gain(nonlinearity, a) / math.sqrt(fans(tensor)[mode == "fan_out"])


def kaiming_uniform_(tensor, a=0.0, mode="fan_in", nonlinearity="leaky_relu"):
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound)


def kaiming_normal_(tensor, a=0.0, mode="fan_in", nonlinearity="leaky_relu"):
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity))


def default_weight_and_bias_(weight, bias):
    """What Linear and Conv2d start with: both uniform in +-1 / sqrt(fan_in)."""
    inputs = fans(weight)[0]
    if inputs == 0:  # nothing to scale by: the weight is empty
        return constant_(weight if bias is None else bias, 0.0)
    kaiming_uniform_(weight, a=math.sqrt(5))
    if bias is not None:
        bound = 1 / math.sqrt(inputs)
        uniform_(bias, -bound, bound)
