# SPDX-License-Identifier: Apache-2.0
"""ParamGroup: a dict whose numbers are tensors, so that a schedule never changes a compiled step."""
from .. import _core
from ..modes import no_grad


class ParamGroup(dict):
    """Options of one parameter group.

    The numbers named in `numbers` (and pairs of them) are kept twice: as Python numbers, which reading an item
    returns, and as 0-d float64 tensors (`tensor(name)`), which the update formulas read. Assigning an item writes the
    tensor in place, so a compiled step sees the new value. Options that select another formula (a flag, or a number
    that becomes or stops being 0) make compiled code look again."""

    def __init__(self, options, numbers):
        self._tensors = {}
        for name in numbers:
            value = options[name]
            make = lambda v: _core.tensor(float(v), dtype=_core.float64)
            self._tensors[name] = tuple(map(make, value)) if isinstance(value, (tuple, list)) else make(value)
        super().__init__(options)

    def tensor(self, name):
        return self._tensors[name]

    def __setitem__(self, name, value):
        old = self.get(name)
        if name in self._tensors:
            value = self._write(name, value)
            if isinstance(value, tuple) or (old == 0) == (value == 0):
                return super().__setitem__(name, value)
        super().__setitem__(name, value)
        if old is not value:
            _core.bump_module_epoch()

    def _write(self, name, value):
        target = self._tensors[name]
        pairs = zip(target, value, strict=True) if isinstance(target, tuple) else [(target, value)]
        with no_grad():
            numbers = []
            for tensor, number in pairs:
                numbers.append(float(number))
                tensor.fill_(numbers[-1])
        return tuple(numbers) if isinstance(target, tuple) else numbers[0]

    def update(self, *args, **kwargs):
        for name, value in dict(*args, **kwargs).items():
            self[name] = value

    def setdefault(self, name, default=None):
        if name not in self:
            self[name] = default
        return self[name]

    def __deepcopy__(self, memo):
        raise TypeError("an optimizer's param group cannot be copied: copy the module and make a new optimizer")
