# SPDX-License-Identifier: Apache-2.0
"""Layers with parameters, pooling and regularization."""
from .. import _core
from ..modes import no_grad
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter


class Linear(Module):
    """x [..., in_features] @ weight.T + bias; weight is [out_features, in_features]."""

    def __init__(self, in_features, out_features, bias=True, dtype=None):
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(_core.empty((out_features, in_features), dtype=dtype or _core.float32))
        self.register_parameter("bias", Parameter(_core.empty((out_features,), dtype=dtype or _core.float32)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self):
        init.default_weight_and_bias_(self.weight, self.bias)

    def forward(self, x):
        return F.linear(x, self.weight, self.bias)

    def extra_repr(self):
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Conv2d(Module):
    """Cross-correlation of x [N, in_channels, H, W] with weight [out_channels, in_channels, KH, KW], zero padded."""

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, bias=True, dtype=None):
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size = F.at_least(kernel_size, 1, "kernel_size")
        self.stride, self.padding = F.at_least(stride, 1, "stride"), F.at_least(padding, 0, "padding")
        dtype = dtype or _core.float32
        self.weight = Parameter(_core.empty((out_channels, in_channels, *self.kernel_size), dtype=dtype))
        self.register_parameter("bias", Parameter(_core.empty((out_channels,), dtype=dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self):
        init.default_weight_and_bias_(self.weight, self.bias)

    def forward(self, x):
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding)

    def extra_repr(self):
        return (f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}, "
                f"padding={self.padding}, bias={self.bias is not None}")


class _Pool2d(Module):
    def __init__(self, kernel_size, stride=None, padding=0):
        super().__init__()
        self.kernel_size = F.pair(kernel_size, "kernel_size")
        self.stride = self.kernel_size if stride is None else F.pair(stride, "stride")
        self.padding = F.pair(padding, "padding")

    def extra_repr(self):
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxPool2d(_Pool2d):
    """Largest element of each window of x [N, C, H, W]; padding never wins."""

    def forward(self, x):
        return F.max_pool2d(x, self.kernel_size, self.stride, self.padding)


class AvgPool2d(_Pool2d):
    """Mean of each window of x [N, C, H, W]; padding counts as 0."""

    def forward(self, x):
        return F.avg_pool2d(x, self.kernel_size, self.stride, self.padding)


class BatchNorm2d(Module):
    """Normalization per channel of x [N, C, H, W].

    In training with the batch's statistics; running_mean and running_var (unbiased) follow them by `momentum`, or are
    their plain average if `momentum` is None. In evaluation with the running ones."""

    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True, dtype=None):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        ones, zeros = _core.ones((num_features,), dtype=dtype or _core.float32), _core.zeros((num_features,), dtype=dtype or _core.float32)
        if affine:
            self.weight, self.bias = Parameter(ones), Parameter(zeros)
        else:
            self.register_buffer("weight", ones, persistent=False)
            self.register_buffer("bias", zeros, persistent=False)
        if track_running_stats:
            self.register_buffer("running_mean", zeros.clone())
            self.register_buffer("running_var", ones.clone())
            self.register_buffer("num_batches_tracked", _core.tensor(0, dtype=_core.int64))

    def forward(self, x):
        if x.ndim != 4 or x.shape[1] != self.num_features:
            raise ValueError(f"BatchNorm2d: found an input of shape {tuple(x.shape)}, wanted [N, {self.num_features}, H, W]")
        track = self.track_running_stats
        if not self.training and track:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, eps=self.eps)
        if not track:
            return F.batch_norm(x, None, None, self.weight, self.bias, True, eps=self.eps)
        with no_grad():
            self.num_batches_tracked.add_(1)
            momentum = self.momentum if self.momentum is not None else 1 / self.num_batches_tracked.to(self.running_mean.dtype)
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, True, momentum, self.eps)

    def extra_repr(self):
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, track_running_stats={self.track_running_stats}"


class LayerNorm(Module):
    """(x - mean) / sqrt(var + eps) * weight + bias over the last axes, which have shape `normalized_shape`."""

    def __init__(self, normalized_shape, eps=1e-5, elementwise_affine=True, bias=True, dtype=None):
        super().__init__()
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps = eps
        dtype = dtype or _core.float32
        self.register_parameter("weight", Parameter(_core.ones(self.normalized_shape, dtype=dtype)) if elementwise_affine else None)
        with_bias = elementwise_affine and bias
        self.register_parameter("bias", Parameter(_core.zeros(self.normalized_shape, dtype=dtype)) if with_bias else None)

    def forward(self, x):
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self):
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.weight is not None}"


class Embedding(Module):
    """Rows of weight [num_embeddings, embedding_dim] at integer indices."""

    def __init__(self, num_embeddings, embedding_dim, dtype=None):
        super().__init__()
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.weight = Parameter(_core.empty((num_embeddings, embedding_dim), dtype=dtype or _core.float32))
        self.reset_parameters()

    def reset_parameters(self):
        init.normal_(self.weight)

    def forward(self, indices):
        return F.embedding(indices, self.weight)

    def extra_repr(self):
        return f"{self.num_embeddings}, {self.embedding_dim}"


class Flatten(Module):
    def __init__(self, start_dim=1, end_dim=-1):
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x):
        return x.flatten(self.start_dim, self.end_dim)

    def extra_repr(self):
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Dropout(Module):
    """In training zeroes elements with probability p and scales the rest by 1 / (1 - p)."""

    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"dropout probability: found {p}, wanted 0 to 1")
        self.p = p

    def forward(self, x):
        return F.dropout(x, self.p, self.training)

    def extra_repr(self):
        return f"p={self.p}"
