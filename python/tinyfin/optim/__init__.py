# SPDX-License-Identifier: Apache-2.0
"""Optimizers and learning rate schedules with PyTorch's names and formulas."""
from . import lr_scheduler
from .adam import Adam, AdamW
from .optimizer import Optimizer
from .sgd import SGD

__all__ = ["Adam", "AdamW", "Optimizer", "SGD", "lr_scheduler"]
