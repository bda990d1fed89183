# SPDX-License-Identifier: Apache-2.0
"""Functions of neural networks, with PyTorch's names. Activations are NCHW, convolution weights OIHW."""
import math

from .. import _core
from .._core import Tensor, ops, where
from ..modes import no_grad

_REDUCTIONS = {"none": 0, "mean": 1, "sum": 2}

relu = Tensor.relu
tanh = Tensor.tanh
sigmoid = Tensor.sigmoid


def pair(value, what):
    """(a, b) of an int or a pair of ints."""
    found = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(found) != 2 or not all(isinstance(v, int) for v in found):
        raise ValueError(f"{what}: found {value!r}, wanted an int or two")
    return found


def at_least(value, least, what):
    """pair(), of numbers that are not below `least`."""
    found = pair(value, what)
    if min(found) < least:
        raise ValueError(f"{what}: found {value!r}, wanted {least} or more")
    return found


def _reduction(name):
    if name not in _REDUCTIONS:
        raise ValueError(f"reduction: found {name!r}, wanted 'none', 'mean' or 'sum'")
    return _REDUCTIONS[name]


def _axis(x, dim):
    if not -x.ndim <= dim < x.ndim:
        raise IndexError(f"dim: found {dim}, wanted one of a tensor of rank {x.ndim}")
    return dim % x.ndim


def linear(x, weight, bias=None):
    """x @ weight.T + bias of x [..., in], weight [out, in], bias [out]."""
    return _core.linear(x, weight, bias)


def conv2d(x, weight, bias=None, stride=1, padding=0):
    """Cross-correlation of x [N, C, H, W] with weight [O, C, KH, KW], zero padded."""
    y = ops.conv2d(x, weight, pair(stride, "stride"), pair(padding, "padding"))
    if bias is None:
        return y
    if tuple(bias.shape) != (weight.shape[0],):
        raise ValueError(f"conv2d: found a bias of shape {tuple(bias.shape)}, wanted {(weight.shape[0],)}")
    return y + bias.type_as(y).reshape(1, weight.shape[0], 1, 1)


def max_pool2d(x, kernel_size, stride=None, padding=0):
    size = pair(kernel_size, "kernel_size")
    return ops.max_pool2d(x, size, size if stride is None else pair(stride, "stride"), pair(padding, "padding"))


def avg_pool2d(x, kernel_size, stride=None, padding=0):
    """Mean of each window; padding counts as 0."""
    size = pair(kernel_size, "kernel_size")
    return ops.avg_pool2d(x, size, size if stride is None else pair(stride, "stride"), pair(padding, "padding"))


def embedding(indices, weight):
    """Rows of weight [V, D] at indices: shape indices.shape + [D]. An index out of range is an error."""
    return ops.embedding(weight, indices)


def layer_norm(x, normalized_shape, weight=None, bias=None, eps=1e-5):
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape or tuple(x.shape[-len(shape):]) != shape:
        raise ValueError(f"layer_norm: found an input of shape {tuple(x.shape)}, wanted one that ends in {shape}")
    weight = _core.ones(shape, dtype=x.dtype) if weight is None else weight
    bias = _core.zeros(shape, dtype=x.dtype) if bias is None else bias
    return ops.layer_norm(x, weight, bias, x.ndim - len(shape), eps)[0]


def gelu(x, approximate="none"):
    if approximate not in ("none", "tanh"):
        raise ValueError(f"approximate: found {approximate!r}, wanted 'none' or 'tanh'")
    return ops.gelu(x, approximate == "tanh")


def softmax(x, dim):
    return ops.softmax(x, _axis(x, dim))


def log_softmax(x, dim):
    return ops.log_softmax(x, _axis(x, dim))


def dropout(x, p=0.5, training=True):
    """Zeroes elements with probability p and scales the rest by 1 / (1 - p)."""
    if isinstance(p, (str, Tensor)) or not 0 <= p <= 1:
        raise ValueError(f"dropout probability: found {p}, wanted a number from 0 to 1")
    if not training or p == 0:
        return x
    return x * 0 if p == 1 else ops.dropout(x, float(p))


def attention_weights(scores, mask=None, is_causal=False):
    """Softmax of scores [..., queries, keys] over the keys that take part; zeros where none does.

    `mask` broadcasts with the scores: bool (True takes part) or numbers that are added. A causal query sees no key behind it."""
    if is_causal:
        queries, keys = _core.arange(scores.shape[-2]).unsqueeze(1), _core.arange(scores.shape[-1])
        scores = where(keys <= queries, scores, -math.inf)
    if mask is None:
        return softmax(scores, -1)
    scores = where(mask, scores, -math.inf) if mask.dtype == _core.bool_ else scores + mask.to(scores.dtype)
    top = scores.detach().amax(-1, keepdim=True)
    powers = (scores - where(top == -math.inf, 0.0, top)).exp()
    total = powers.sum(-1, keepdim=True)
    return powers / where(total == 0, 1.0, total)


def _attention_operands(query, key, value, mask):
    """Query, key and value as [B, H, S, D] and the mask as [B, H, Sq, Sk] or extents of 1; None where the op attention does not apply."""
    lead = query.shape[:-2]
    if len({query.dtype, key.dtype, value.dtype}) > 1 or key.shape[:-2] != lead or value.shape[:-2] != lead:
        return None
    operands = [query, key, value]
    if len(lead) != 2:
        batch = math.prod(lead[:-1])
        operands = [x.reshape(batch, lead[-1] if lead else 1, *x.shape[-2:]) for x in operands]
    if mask is None:
        return [*operands, None]
    mask = mask if mask.dtype in (_core.bool_, query.dtype) else mask.to(query.dtype)
    if mask.ndim > 4 or (mask.ndim > 2 and len(lead) != 2):
        mask = mask.expand(*lead, *mask.shape[-2:])
        mask = mask.reshape(*operands[0].shape[:2], *mask.shape[-2:])
    return [*operands, mask.reshape(*(1,) * (4 - mask.ndim), *mask.shape)]


def scaled_dot_product_attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None):
    """softmax(query @ key.T * scale + mask) @ value of query [..., Sq, D], key [..., Sk, D] and value [..., Sk, Dv].

    `attn_mask` broadcasts with [..., Sq, Sk]: bool (True takes part) or numbers that are added. A query all of whose keys are masked
    gets zeros. `is_causal` lets query i see the keys up to i. `scale` is 1 / sqrt(D) unless given. Weights are dropped with probability
    `dropout_p`, also in evaluation, as in PyTorch; then the weights are made in memory, [..., Sq, Sk], and not otherwise."""
    if is_causal and attn_mask is not None:
        raise ValueError("scaled_dot_product_attention: found attn_mask and is_causal=True, wanted one of them")
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else float(scale)
    operands = _attention_operands(query, key, value, attn_mask)
    if operands is not None and dropout_p == 0:
        y = _core.attention(*operands, is_causal, scale)
        return y if y.ndim == query.ndim else y.reshape(*query.shape[:-1], value.shape[-1])
    scores = ops.matmul(query * scale, key, False, True)
    weights = dropout(attention_weights(scores, attn_mask, is_causal), dropout_p)
    return ops.matmul(weights, value, False, False)


def _cross_entropy_of_some(logits, target, reduction, label_smoothing, ignore_index):
    """Of logits [N, C] and target [N], some of which are `ignore_index`."""
    counts = target != ignore_index
    losses = ops.cross_entropy(logits, where(counts, target, 0), 0)
    if label_smoothing:
        losses = losses * (1 - label_smoothing) - ops.log_softmax(logits, 1).mean(1) * label_smoothing
    losses = where(counts, losses, 0.0)
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else losses.sum() / counts.to(losses.dtype).sum()


def cross_entropy(logits, target, reduction="mean", label_smoothing=0.0, ignore_index=None):
    """-log_softmax(logits)[target] of logits [N, C] or [N, C, ...] and class numbers [N] or [N, ...].

    Targets of `ignore_index` cost nothing, and the mean is over the others; without it (PyTorch takes -100) there are none."""
    if target.ndim != logits.ndim - 1:
        raise ValueError(f"cross_entropy: found logits of rank {logits.ndim} and target of rank {target.ndim}, "
                         "wanted class numbers of one rank less")
    code, shape = _reduction(reduction), target.shape
    if logits.ndim > 2:
        order = (0, *range(2, logits.ndim), 1)
        logits, target = logits.permute(*order).reshape(-1, logits.shape[1]), target.reshape(-1)
    if ignore_index is not None:
        loss = _cross_entropy_of_some(logits, target, reduction, label_smoothing, ignore_index)
        return loss.reshape(shape) if code == 0 and len(shape) > 1 else loss
    loss = ops.cross_entropy(logits, target, code)
    if label_smoothing:
        spread = -ops.log_softmax(logits, 1).mean(1)
        spread = spread if code == 0 else spread.mean() if code == 1 else spread.sum()
        loss = loss * (1 - label_smoothing) + spread * label_smoothing
    return loss.reshape(shape) if code == 0 and len(shape) > 1 else loss


def mse_loss(x, target, reduction="mean"):
    return ops.mse_loss(x, target, _reduction(reduction))


def binary_cross_entropy_with_logits(x, target, reduction="mean"):
    return ops.bce_with_logits(x, target, _reduction(reduction))


def batch_norm(x, running_mean, running_var, weight, bias, training=False, momentum=0.1, eps=1e-5):
    """Normalizes per channel (axis 1). In training it uses the batch's statistics and updates the running ones in
    place (the running variance is the unbiased one, as in PyTorch)."""
    if not training and (running_mean is None or running_var is None):
        raise ValueError("batch_norm: found no running statistics, wanted them or training=True")
    if not training:
        return ops.batch_norm_inference(x, weight, bias, running_mean, running_var, eps)
    count = 1
    for axis, extent in enumerate(x.shape):
        count *= 1 if axis == 1 else extent
    if count < 2:
        raise ValueError(f"batch_norm in training: found one value a channel (shape {tuple(x.shape)}), wanted more")
    y, mean, var = ops.batch_norm(x, weight, bias, eps)
    if running_mean is not None:
        with no_grad():
            running_mean.mul_(1 - momentum).add_(mean.detach() * momentum)
            running_var.mul_(1 - momentum).add_(var.detach() * (momentum * (count / (count - 1))))
    return y
