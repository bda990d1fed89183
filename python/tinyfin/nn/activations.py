# SPDX-License-Identifier: Apache-2.0
"""Activations and losses as modules."""
from . import functional as F
from .module import Module


class Identity(Module):
    def __init__(self, *args, **kwargs):
        super().__init__()

    def forward(self, x):
        return x


class ReLU(Module):
    def forward(self, x):
        return x.relu()


class Tanh(Module):
    def forward(self, x):
        return x.tanh()


class Sigmoid(Module):
    def forward(self, x):
        return x.sigmoid()


class GELU(Module):
    """x * Phi(x), or with approximate="tanh" its approximation."""

    def __init__(self, approximate="none"):
        super().__init__()
        self.approximate = approximate

    def forward(self, x):
        return F.gelu(x, self.approximate)

    def extra_repr(self):
        return f"approximate={self.approximate!r}"


class Softmax(Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, x):
        return F.softmax(x, self.dim)

    def extra_repr(self):
        return f"dim={self.dim}"


class LogSoftmax(Softmax):
    def forward(self, x):
        return F.log_softmax(x, self.dim)


class _Loss(Module):
    """reduction: 'none', 'mean' or 'sum'."""

    def __init__(self, reduction="mean"):
        super().__init__()
        F._reduction(reduction)
        self.reduction = reduction


class CrossEntropyLoss(_Loss):
    """-log_softmax(logits)[target] of logits [N, C, ...] and class numbers [N, ...]."""

    def __init__(self, reduction="mean", label_smoothing=0.0, ignore_index=None):
        super().__init__(reduction)
        self.label_smoothing, self.ignore_index = label_smoothing, ignore_index

    def forward(self, logits, target):
        return F.cross_entropy(logits, target, self.reduction, self.label_smoothing, self.ignore_index)


class MSELoss(_Loss):
    """(x - target)^2."""

    def forward(self, x, target):
        return F.mse_loss(x, target, self.reduction)


class BCEWithLogitsLoss(_Loss):
    """Binary cross entropy of sigmoid(x), computed from x."""

    def forward(self, x, target):
        return F.binary_cross_entropy_with_logits(x, target, self.reduction)
