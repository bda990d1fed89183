# SPDX-License-Identifier: Apache-2.0
"""Neural network modules with PyTorch's names and defaults."""
from . import functional, init, utils
from .activations import (GELU, BCEWithLogitsLoss, CrossEntropyLoss, Identity, LogSoftmax, MSELoss, ReLU, Sigmoid,
                          Softmax, Tanh)
from .attention import MultiheadAttention
from .containers import ModuleDict, ModuleList, Sequential
from .layers import AvgPool2d, BatchNorm2d, Conv2d, Dropout, Embedding, Flatten, LayerNorm, Linear, MaxPool2d
from .module import Module
from .parameter import Parameter
from .transformer import TransformerEncoder, TransformerEncoderLayer

__all__ = ["AvgPool2d", "BCEWithLogitsLoss", "BatchNorm2d", "Conv2d", "CrossEntropyLoss", "Dropout", "Embedding",
           "Flatten", "GELU", "Identity", "LayerNorm", "Linear", "LogSoftmax", "MSELoss", "MaxPool2d", "Module",
           "ModuleDict", "ModuleList", "MultiheadAttention", "Parameter", "ReLU", "Sequential", "Sigmoid", "Softmax",
           "Tanh", "TransformerEncoder", "TransformerEncoderLayer", "functional", "init", "utils"]
