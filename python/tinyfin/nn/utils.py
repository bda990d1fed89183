# SPDX-License-Identifier: Apache-2.0
"""Gradient clipping. Nothing here observes a value, so it stays inside one compiled step."""
import math

from .. import _core
from .._core import Tensor
from ..halves import widening
from ..modes import no_grad


def _grads(parameters):
    parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    return [p.grad for p in parameters if p.grad is not None]


def _total_norm(grads, norm_type):
    if norm_type <= 0:
        raise ValueError(f"norm_type: found {norm_type}, wanted a number above 0")
    total = None
    for grad in grads:
        grad = widening(grad.dtype)(grad)  # squares of halves do not fit halves: float16 overflows at 256
        if norm_type == math.inf:
            part = grad.abs().amax()
        else:
            part = grad.square().sum() if norm_type == 2 else (grad.abs() ** norm_type).sum()
        total = part if total is None else _core.ops.maximum(total, part) if norm_type == math.inf else total + part
    return total if norm_type == math.inf else total.sqrt() if norm_type == 2 else total ** (1 / norm_type)


def clip_grad_norm_(parameters, max_norm, norm_type=2.0):
    """Scales gradients in place by min(1, max_norm / (norm + 1e-6)), the norm being taken over all of them.

    Returns the norm before scaling as a 0-d Tensor (not yet computed), of float32 where gradients are float16 or bfloat16."""
    grads = _grads(parameters)
    if not grads:
        return _core.tensor(0.0)
    with no_grad():
        total = _total_norm(grads, float(norm_type))
        scale = _core.ops.minimum(max_norm / (total + 1e-6), 1.0)
        for grad in grads:
            grad.mul_(scale.to(grad.dtype))
    return total


def clip_grad_value_(parameters, clip_value):
    """Clamps every gradient to [-clip_value, clip_value] in place."""
    with no_grad():
        for grad in _grads(parameters):
            grad.copy_(grad.clamp(-clip_value, clip_value))
