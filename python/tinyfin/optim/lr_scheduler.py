# SPDX-License-Identifier: Apache-2.0
"""Learning rate schedules: closed formulas of the number of `step()` calls.

They write `group["lr"]`, a tensor, so a schedule never causes a recompile. The counting is Python's: call
`scheduler.step()` outside of a jitted function (inside, it makes that function run as eager code)."""
import math

from .. import _core


class LRScheduler:
    def __init__(self, optimizer, last_epoch=-1):
        if not hasattr(optimizer, "param_groups"):
            raise TypeError(f"scheduler: found {type(optimizer).__name__}, wanted an Optimizer")
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(f"param group {i} has no initial_lr, which resuming at epoch {last_epoch} needs")
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self.step()

    def rate(self, index, base):
        """The learning rate of group `index`, whose initial one is base, after last_epoch steps."""
        raise NotImplementedError

    def step(self):
        _core.demote("a scheduler counts in Python: call scheduler.step() outside of the jitted function")
        self.last_epoch += 1
        for i, group in enumerate(self.optimizer.param_groups):
            group["lr"] = self.rate(i, self.base_lrs[i])

    def get_last_lr(self):
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self):
        return {name: value for name, value in self.__dict__.items() if name not in ("optimizer", "lr_lambdas")}

    def load_state_dict(self, state_dict):
        """Restores the count and the formula's numbers; functions (LambdaLR) are not saved."""
        self.__dict__.update(state_dict)
        for i, group in enumerate(self.optimizer.param_groups):
            group["lr"] = self.rate(i, self.base_lrs[i])


class LambdaLR(LRScheduler):
    """lr = base * lr_lambda(epoch); one function, or one a param group."""

    def __init__(self, optimizer, lr_lambda, last_epoch=-1):
        count = len(optimizer.param_groups)
        self.lr_lambdas = [lr_lambda] * count if callable(lr_lambda) else list(lr_lambda)
        if len(self.lr_lambdas) != count:
            raise ValueError(f"lr_lambda: found {len(self.lr_lambdas)} functions, wanted one for each of {count} param groups")
        super().__init__(optimizer, last_epoch)

    def rate(self, index, base):
        return base * self.lr_lambdas[index](self.last_epoch)


class StepLR(LRScheduler):
    """lr = base * gamma ** (epoch // step_size)."""

    def __init__(self, optimizer, step_size, gamma=0.1, last_epoch=-1):
        if not isinstance(step_size, int) or step_size < 1:
            raise ValueError(f"step_size: found {step_size!r}, wanted an int above 0")
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def rate(self, index, base):
        return base * self.gamma ** (self.last_epoch // self.step_size)


class LinearLR(LRScheduler):
    """The factor of base goes from start_factor to end_factor in total_iters steps and stays there."""

    def __init__(self, optimizer, start_factor=1.0 / 3, end_factor=1.0, total_iters=5, last_epoch=-1):
        if not 0 < start_factor <= 1 or not 0 <= end_factor <= 1:
            raise ValueError(f"factors: found {start_factor} to {end_factor}, wanted numbers in (0, 1] and [0, 1]")
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def rate(self, index, base):
        done = min(self.total_iters, self.last_epoch) / self.total_iters
        return base * (self.start_factor + (self.end_factor - self.start_factor) * done)


class CosineAnnealingLR(LRScheduler):
    """lr = eta_min + (base - eta_min) * (1 + cos(pi * epoch / T_max)) / 2 (Loshchilov and Hutter, 2017)."""

    def __init__(self, optimizer, T_max, eta_min=0.0, last_epoch=-1):
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def rate(self, index, base):
        return self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
