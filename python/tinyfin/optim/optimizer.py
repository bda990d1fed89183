# SPDX-License-Identifier: Apache-2.0
"""Optimizer: the base of SGD, Adam and AdamW.

All state is allocated by the constructor and updated by tensor ops only, so that `step()` can be part of a compiled
graph. It ends the current graph (`mark_step`), which makes an undecorated training loop one compiled graph a step."""
from .. import _core
from .._core import Tensor
from ..modes import enable_grad, no_grad
from .groups import ParamGroup


class Optimizer:
    numbers = ()  # options that are tensors; see ParamGroup
    bounds = {}   # option -> test, for the error below

    def __init__(self, params, defaults):
        self.defaults = defaults
        self.state = {}
        self.param_groups = []
        params = [params] if isinstance(params, (Tensor, dict)) else list(params)
        if not params:
            raise ValueError("an optimizer needs parameters: found an empty list")
        for group in params if isinstance(params[0], dict) else [{"params": params}]:
            self.add_param_group(group)

    def add_param_group(self, group):
        """Adds {"params": [...], option: value, ...}; options left out have the constructor's values."""
        options = {**self.defaults, **group}
        params = [group["params"]] if isinstance(group["params"], Tensor) else list(group["params"])
        known = {id(p) for other in self.param_groups for p in other["params"]}
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError(f"optimizer parameters: found {type(p).__name__}, wanted Tensors")
            if not p.is_leaf:
                raise ValueError("an optimizer trains leaves: found the result of an op")
            if id(p) in known:
                raise ValueError("a parameter appears twice in this optimizer")
            known.add(id(p))
        for name, (test, wanted) in self.bounds.items():
            if not _holds(test, options[name]):
                raise ValueError(f"{name}: found {options[name]!r}, wanted {wanted}")
        group = ParamGroup({**options, "params": params}, self.numbers)
        self.param_groups.append(group)
        with no_grad():
            step = _core.tensor(0.0, dtype=_core.float64)
            for p in params:
                self.state[p] = {"step": step, **self.init_state(p, group)}

    def init_state(self, p, group):
        """State tensors of one parameter by name, besides `step`."""
        raise NotImplementedError

    def update(self, group, step, params):
        """Updates params, which have a gradient and share the step count `step` (already advanced).

        A subclass gives `_scalars(group, step, dtype)`, what all parameters of a dtype share, and
        `_update_one(group, p, *scalars)`."""
        scalars = {}
        for p in params:
            if p.dtype not in scalars:
                scalars[p.dtype] = self._scalars(group, step, p.dtype)
            self._update_one(group, p, *scalars[p.dtype])

    def zero_grad(self, set_to_none=True):
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none or not p._has_grad:
                    p.grad = None
                else:
                    p.grad.zero_()

    def step(self, closure=None):
        """One update of every parameter that has a gradient. Returns closure() if one is given (run with gradients)."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with no_grad():
            for group in self.param_groups:
                for step, params in self._by_step(group["params"]):
                    step.add_(1)
                    self.update(group, step, params)
        _core.mark_step()
        return loss

    def _by_step(self, params):
        """Parameters with a gradient, as (step count, parameters) pairs.

        The parameters of a group share one step count until one of them is without gradient for a step: those left out
        then get a count of their own, which stands still."""
        shared, left_out = {}, {}
        for p in params:
            step = self.state[p]["step"]
            (left_out if p.grad is None else shared).setdefault(id(step), (step, []))[1].append(p)
        for key, (step, idle) in left_out.items():
            if key in shared:
                own = step.clone()
                for p in idle:
                    self.state[p]["step"] = own
        return list(shared.values())

    def state_dict(self):
        """{"state": {number: {name: tensor}}, "param_groups": [...]}, parameters by number in order, as in PyTorch."""
        numbers, groups = {}, []
        for group in self.param_groups:
            for p in group["params"]:
                numbers[id(p)] = len(numbers)
            groups.append({**group, "params": [numbers[id(p)] for p in group["params"]]})
        copies = {}
        state = {numbers[id(p)]: {name: copies.setdefault(id(t), t.detach().clone()) for name, t in entry.items()}
                 for p, entry in self.state.items()}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict):
        """Restores what state_dict() returned. Raises ValueError naming the group, parameter or shape that differs."""
        if not hasattr(state_dict, "keys") or not {"param_groups", "state"} <= set(state_dict):
            found = sorted(map(str, state_dict)) if hasattr(state_dict, "keys") else type(state_dict).__name__
            raise ValueError(f"optimizer state: found {found}, wanted a dict with 'param_groups' and 'state'")
        groups, state = state_dict["param_groups"], state_dict["state"]
        found, wanted = [len(g["params"]) for g in groups], [len(g["params"]) for g in self.param_groups]
        if found != wanted:
            raise ValueError(f"optimizer state: found groups of {found} parameters, wanted {wanted}")
        params = [p for group in self.param_groups for p in group["params"]]
        numbers = [n for group in groups for n in group["params"]]
        for p, n in zip(params, numbers):
            self._check_entry(n, self.state[p], state.get(n, {}))
        with no_grad():
            counts = {}
            for p, n in zip(params, numbers):
                for name, tensor in state.get(n, {}).items():
                    if name == "step":
                        count = float(tensor)
                        self.state[p]["step"] = counts.setdefault(count, _core.tensor(count, dtype=_core.float64))
                    else:
                        self.state[p][name].copy_(tensor)
        for group, new in zip(self.param_groups, groups):
            group.update({name: value for name, value in new.items() if name != "params"})
        _core.bump_module_epoch()

    def _check_entry(self, number, own, new):
        if set(new) - set(own):
            raise ValueError(f"state of parameter {number}: found {sorted(set(new) - set(own))}, wanted {sorted(own)}")
        for name in set(own) & set(new) - {"step"}:
            if tuple(new[name].shape) != tuple(own[name].shape):
                raise ValueError(f"state {name!r} of parameter {number}: found shape {tuple(new[name].shape)}, "
                                 f"wanted {tuple(own[name].shape)}")

    def __repr__(self):
        lines = []
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {name}: {value}" for name, value in sorted(group.items()) if name != "params"]
        return f"{type(self).__name__} (\n" + "\n".join(lines) + "\n)"


def _holds(test, value):
    try:
        return test(value)
    except TypeError:  # not a number
        return False


def at_least_zero(value):
    return value >= 0


def is_beta_pair(value):
    return len(value) == 2 and all(0 <= beta < 1 for beta in value)
