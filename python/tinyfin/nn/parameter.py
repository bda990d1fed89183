# SPDX-License-Identifier: Apache-2.0
"""Parameter: a tensor that a Module owns and an optimizer trains."""
from .._core import Tensor


class Parameter(Tensor):
    """A leaf tensor that `Module` registers when it is assigned as an attribute.

    It starts with the value of `data`; later writes to one do not show in the other."""

    def __new__(cls, data, requires_grad=True):
        return super().__new__(cls, data, requires_grad)

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            memo[id(self)] = type(self)(self, self.requires_grad)
        return memo[id(self)]

    def __repr__(self):
        return "Parameter containing:\n" + super().__repr__()
