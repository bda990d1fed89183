# SPDX-License-Identifier: Apache-2.0
"""Stochastic gradient descent with momentum (PyTorch's formulation: the learning rate multiplies the velocity)."""
from .. import _core
from ..halves import calculation_dtype, widening
from .optimizer import Optimizer, at_least_zero


class SGD(Optimizer):
    """g += weight_decay * p;  v = momentum * v + (1 - dampening) * g  (v = g in the first step);
    p -= lr * (g + momentum * v if nesterov else v)."""

    numbers = ("lr", "momentum", "dampening", "weight_decay")
    bounds = {name: (at_least_zero, "0 or more") for name in ("lr", "momentum", "weight_decay")}

    def __init__(self, params, lr=1e-3, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False, *, maximize=False):
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError(f"nesterov: found momentum {momentum} and dampening {dampening}, wanted a momentum above 0 and dampening 0")
        super().__init__(params, dict(lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay,
                                      nesterov=nesterov, maximize=maximize))

    def init_state(self, p, group):
        return {"momentum_buffer": _core.zeros_like(p)} if group["momentum"] else {}

    def _scalars(self, group, step, dtype):
        """(lr, momentum, weight decay, share of the gradient that enters the velocity) as 0-d tensors of dtype, or None."""
        share, dtype = None, calculation_dtype(dtype)
        if group["momentum"] and group["dampening"]:
            first = (step == 1).to(_core.float64)
            share = (1 - group.tensor("dampening") * (1 - first)).to(dtype)
        used = [group.tensor(name).to(dtype) if name == "lr" or group[name] else None for name in ("lr", "momentum", "weight_decay")]
        return (*used, share)

    def _update_one(self, group, p, lr, momentum, decay, share):
        wide = widening(p.dtype)
        grad, value = wide(p.grad), wide(p)
        if group["maximize"]:
            grad = -grad
        if decay is not None:
            grad = grad + value * decay
        if momentum is not None:
            buffer = self._velocity(p)
            velocity = wide(buffer) * momentum + (grad if share is None else grad * share)
            buffer.copy_(velocity)
            grad = grad + velocity * momentum if group["nesterov"] else velocity
        p.copy_(value - grad * lr)

    def _velocity(self, p):
        state = self.state[p]
        if "momentum_buffer" not in state:  # momentum was 0 when the optimizer was made
            state["momentum_buffer"] = _core.zeros_like(p)
        return state["momentum_buffer"]
