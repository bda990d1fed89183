# SPDX-License-Identifier: Apache-2.0
"""Module: the base of everything that has parameters. Names and behaviour are PyTorch's.

Parameters, buffers and submodules live in the instance's __dict__ (so reading one costs nothing extra) and, by name,
in `_parameters`, `_buffers` and `_modules`, which give them their order.
"""
import copy
from collections import namedtuple

from .. import _core
from .._core import Tensor, bump_module_epoch, dtype as DType, module_enter, module_exit, toggle_module_flag
from ..modes import no_grad
from .parameter import Parameter

LoadResult = namedtuple("LoadResult", ["missing_keys", "unexpected_keys"])
_REGISTRIES = ("_parameters", "_buffers", "_modules")
_MISSING = object()


def _same(old, new):
    """Whether setting an attribute from old to new leaves every trace as it was."""
    return old is new or (type(old) is type(new) and isinstance(new, (bool, int, float, str, tuple)) and old == new)


class Module:
    training = True

    def __init__(self):
        for name in _REGISTRIES:
            object.__setattr__(self, name, {})
        object.__setattr__(self, "_transient", set())

    def forward(self, *args, **kwargs):
        raise NotImplementedError(f"{type(self).__name__} has no forward()")

    def __call__(self, *args, **kwargs):
        module_enter()
        try:
            return self.forward(*args, **kwargs)
        finally:
            module_exit()

    # Attributes ------------------------------------------------------------------------------------------------

    def _registry_for(self, name, value):
        if isinstance(value, Parameter):
            return "_parameters"
        if isinstance(value, Module):
            return "_modules"
        for registry in _REGISTRIES:
            if name in self.__dict__[registry] and (value is None or (registry == "_buffers" and isinstance(value, Tensor))):
                return registry
        return None

    def __setattr__(self, name, value):
        if "_parameters" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__}.{name} is assigned before Module.__init__(): call super().__init__() first")
        old = getattr(self, name, _MISSING)
        if _same(old, value):
            return
        if type(old) is bool and type(value) is bool:  # setting it back makes what was compiled before valid again
            object.__setattr__(self, name, value)
            return toggle_module_flag(self, name)
        home = self._registry_for(name, value)
        for registry in _REGISTRIES:
            if registry == home:
                self.__dict__[registry][name] = value
            elif name in self.__dict__[registry]:
                if home is None:
                    wanted = {"_parameters": "a Parameter", "_buffers": "a Tensor", "_modules": "a Module"}[registry]
                    raise TypeError(f"{type(self).__name__}.{name}: found {type(value).__name__}, wanted {wanted} or None")
                del self.__dict__[registry][name]
        object.__setattr__(self, name, value)
        bump_module_epoch()

    def __delattr__(self, name):
        object.__delattr__(self, name)
        for registry in _REGISTRIES:
            self.__dict__[registry].pop(name, None)
        self._transient.discard(name)
        bump_module_epoch()

    def _check_name(self, kind, name):
        if "_parameters" not in self.__dict__:
            raise AttributeError(f"{kind} {name!r} is registered before Module.__init__(): call super().__init__() first")
        if not isinstance(name, str) or not name or "." in name:
            raise KeyError(f"{kind} name: found {name!r}, wanted a non-empty string without dots")
        if hasattr(self, name) and not any(name in self.__dict__[r] for r in _REGISTRIES):
            raise KeyError(f"{type(self).__name__} already has an attribute {name!r}")

    def register_parameter(self, name, param):
        self._check_name("parameter", name)
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(f"parameter {name!r}: found {type(param).__name__}, wanted a Parameter or None")
        self._parameters[name] = param
        object.__setattr__(self, name, param)
        bump_module_epoch()

    def register_buffer(self, name, tensor, persistent=True):
        """Adds a tensor that is state but not trained; `persistent=False` keeps it out of state_dict()."""
        self._check_name("buffer", name)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"buffer {name!r}: found {type(tensor).__name__}, wanted a Tensor or None")
        self._buffers[name] = tensor
        (self._transient.discard if persistent else self._transient.add)(name)
        object.__setattr__(self, name, tensor)
        bump_module_epoch()

    def add_module(self, name, module):
        self._check_name("module", name)
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"module {name!r}: found {type(module).__name__}, wanted a Module or None")
        self._modules[name] = module
        object.__setattr__(self, name, module)
        bump_module_epoch()

    register_module = add_module

    # Walking ---------------------------------------------------------------------------------------------------

    def named_modules(self, prefix="", _seen=None):
        """Yields (dotted name, module) for this module and all below it, each module once."""
        seen = set() if _seen is None else _seen
        if id(self) in seen:
            return
        seen.add(id(self))
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(f"{prefix}.{name}" if prefix else name, seen)

    def _named_tensors(self, registry, prefix, recurse, once=True):
        seen = set()
        modules = self._paths(prefix) if not once else self.named_modules(prefix)
        for path, module in modules if recurse else [(prefix, self)]:
            for name, tensor in getattr(module, registry).items():
                if tensor is None or (once and id(tensor) in seen):
                    continue
                seen.add(id(tensor))
                yield (f"{path}.{name}" if path else name), module, name, tensor

    def _paths(self, prefix=""):
        """Like named_modules, but a module that is reached twice is yielded under both names."""
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module._paths(f"{prefix}.{name}" if prefix else name)

    def named_parameters(self, prefix="", recurse=True):
        return ((path, tensor) for path, _, _, tensor in self._named_tensors("_parameters", prefix, recurse))

    def named_buffers(self, prefix="", recurse=True):
        return ((path, tensor) for path, _, _, tensor in self._named_tensors("_buffers", prefix, recurse))

    def named_children(self):
        seen = set()
        for name, module in self._modules.items():
            if module is not None and id(module) not in seen:
                seen.add(id(module))
                yield name, module

    def parameters(self, recurse=True):
        return (tensor for _, tensor in self.named_parameters(recurse=recurse))

    def buffers(self, recurse=True):
        return (tensor for _, tensor in self.named_buffers(recurse=recurse))

    def modules(self):
        return (module for _, module in self.named_modules())

    def children(self):
        return (module for _, module in self.named_children())

    def get_submodule(self, target):
        module = self
        for name in target.split(".") if target else ():
            if name not in module._modules:
                raise AttributeError(f"{type(module).__name__} has no submodule {name!r} (looking for {target!r})")
            module = module._modules[name]
        return module

    # State -----------------------------------------------------------------------------------------------------

    def _state(self, prefix=""):
        """Yields (name, tensor) of all parameters and persistent buffers; tied tensors under each of their names."""
        for path, module in self._paths(prefix):
            for registry in ("_parameters", "_buffers"):
                for name, tensor in getattr(module, registry).items():
                    if tensor is not None and name not in module._transient:
                        yield (f"{path}.{name}" if path else name), tensor

    def state_dict(self, prefix=""):
        """Name -> tensor, detached but sharing memory with the module; tied tensors are one object here too."""
        views = {}
        prefix = prefix.removesuffix(".")
        return {path: views.setdefault(id(tensor), tensor.detach()) for path, tensor in self._state(prefix)}

    def load_state_dict(self, state_dict, strict=True):
        """Copies tensors in by name, all or none. Raises RuntimeError that lists every missing or unexpected name (if
        `strict`) and every shape that differs. Dtypes are converted."""
        if not hasattr(state_dict, "keys"):
            raise TypeError(f"load_state_dict: found {type(state_dict).__name__}, wanted a dict")
        own = dict(self._state())
        missing = [name for name in own if name not in state_dict]
        unexpected = [name for name in state_dict if name not in own]
        problems = []
        if strict and missing:
            problems.append("missing: " + ", ".join(missing))
        if strict and unexpected:
            problems.append("unexpected: " + ", ".join(map(str, unexpected)))
        for name, tensor in own.items():
            new = state_dict.get(name, tensor)
            if not isinstance(new, Tensor):
                problems.append(f"{name}: found {type(new).__name__}, wanted a Tensor")
            elif tuple(new.shape) != tuple(tensor.shape):
                problems.append(f"{name}: found shape {tuple(new.shape)}, wanted {tuple(tensor.shape)}")
        if problems:
            raise RuntimeError(f"cannot load state into {type(self).__name__}:\n  " + "\n  ".join(problems))
        with no_grad():
            for name, tensor in own.items():
                if name in state_dict and state_dict[name] is not tensor:
                    tensor.copy_(state_dict[name])
        return LoadResult(missing, unexpected)

    def train(self, mode=True):
        if not isinstance(mode, bool):
            raise TypeError(f"train(): found {type(mode).__name__}, wanted a bool")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self):
        return self.train(False)

    def requires_grad_(self, requires_grad=True):
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def zero_grad(self, set_to_none=True):
        for parameter in self.parameters():
            if set_to_none or not parameter._has_grad:
                parameter.grad = None
            else:
                parameter.grad.zero_()

    def to(self, *args, dtype=None, device=None):
        """Converts floating point parameters and buffers to a dtype, or moves all to a device.

        A tensor that changes becomes a new object (ties stay ties): make optimizers after this call."""
        for value in args:
            if isinstance(value, DType):
                dtype = value
            else:
                device = value
        done = {}
        for module in self.modules():
            for registry in ("_parameters", "_buffers"):
                for name, tensor in getattr(module, registry).items():
                    if tensor is not None:
                        if id(tensor) not in done:
                            done[id(tensor)] = _converted(tensor, dtype, device)
                        setattr(module, name, done[id(tensor)])
        return self

    def float(self):
        return self.to(dtype=_core.float32)

    def double(self):
        return self.to(dtype=_core.float64)

    def bfloat16(self):
        return self.to(dtype=_core.bfloat16)

    def apply(self, fn):
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def __deepcopy__(self, memo):
        twin = type(self).__new__(type(self))
        memo[id(self)] = twin
        for name, value in self.__dict__.items():
            twin.__dict__[name] = copy.deepcopy(value, memo)
        return twin

    # Text ------------------------------------------------------------------------------------------------------

    def extra_repr(self):
        return ""

    def __repr__(self):
        lines = [f"({name}): " + repr(module).replace("\n", "\n  ") for name, module in self._modules.items()]
        extra = self.extra_repr()
        if not lines:
            return f"{type(self).__name__}({extra})"
        body = "\n  ".join(([extra] if extra else []) + lines)
        return f"{type(self).__name__}(\n  {body}\n)"


def _converted(tensor, dtype, device):
    new = tensor
    if dtype is not None and tensor.dtype in _core_floats() and tensor.dtype != dtype:
        new = new.to(dtype)
    if device is not None and str(device) != str(tensor.device):
        new = new.to(device)
    if new.dtype == tensor.dtype and str(new.device) == str(tensor.device):
        return tensor
    if not isinstance(tensor, Parameter):
        return new
    moved = Parameter(new, tensor.requires_grad)
    if tensor._has_grad:
        moved.grad = tensor.grad.to(new.dtype)
    return moved


def _core_floats():
    return (_core.float32, _core.float64, _core.bfloat16, _core.float16)
