# SPDX-License-Identifier: Apache-2.0
"""Adam (Kingma and Ba, 2015) and AdamW (Loshchilov and Hutter, 2019), with PyTorch's formulas."""
from .. import _core
from ..halves import calculation_dtype, widening
from .optimizer import Optimizer, at_least_zero, is_beta_pair


class Adam(Optimizer):
    """m = beta1 * m + (1 - beta1) * g;  v = beta2 * v + (1 - beta2) * g^2;
    p -= lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps).  Weight decay is added to the gradient."""

    numbers = ("lr", "betas", "eps", "weight_decay")
    bounds = {"lr": (at_least_zero, "0 or more"), "eps": (at_least_zero, "0 or more"),
              "weight_decay": (at_least_zero, "0 or more"), "betas": (is_beta_pair, "two numbers in [0, 1)")}
    decoupled = False

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, amsgrad=False, *, maximize=False):
        super().__init__(params, dict(lr=lr, betas=tuple(betas) if isinstance(betas, list) else betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad, maximize=maximize))

    def init_state(self, p, group):
        names = ("exp_avg", "exp_avg_sq") + (("max_exp_avg_sq",) if group["amsgrad"] else ())
        return {name: _core.zeros_like(p) for name in names}

    def _scalars(self, group, step, dtype):
        """The 0-d factors of one step, computed in float64 and once for all parameters of a dtype."""
        lr, (beta1, beta2) = group.tensor("lr"), group.tensor("betas")
        step_size = lr / (1 - beta1**step)
        root = (1 - beta2**step).sqrt()
        decay = 0 if not group["weight_decay"] else group.tensor("weight_decay")
        decay = 1 - lr * decay if self.decoupled and group["weight_decay"] else decay
        factors = (1 - beta1, beta2, 1 - beta2, step_size, root, group.tensor("eps"), decay)
        return [f if isinstance(f, int) else f.to(calculation_dtype(dtype)) for f in factors]

    def _update_one(self, group, p, rest1, beta2, rest2, step_size, root, eps, decay):
        state, wide = self.state[p], widening(p.dtype)
        grad, value, mean, square = wide(p.grad), wide(p), wide(state["exp_avg"]), wide(state["exp_avg_sq"])
        if group["maximize"]:
            grad = -grad
        if group["weight_decay"]:
            if self.decoupled:
                value = value * decay
            else:
                grad = grad + value * decay
        mean = mean + (grad - mean) * rest1
        square = square * beta2 + grad * grad * rest2
        state["exp_avg"].copy_(mean)
        state["exp_avg_sq"].copy_(square)
        if group["amsgrad"]:
            square = wide(state["max_exp_avg_sq"]).maximum(square)
            state["max_exp_avg_sq"].copy_(square)
        p.copy_(value - mean / (square.sqrt() / root + eps) * step_size)


class AdamW(Adam):
    """Adam whose weight decay multiplies the parameter: p *= 1 - lr * weight_decay, before the update."""

    decoupled = True

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2, amsgrad=False, *, maximize=False):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)
