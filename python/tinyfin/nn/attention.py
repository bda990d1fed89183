# SPDX-License-Identifier: Apache-2.0
"""Multi-head attention with PyTorch's parameters, masks and defaults."""
import math

from .. import _core
from .._core import where
from . import functional as F
from . import init
from .layers import Linear
from .module import Module
from .parameter import Parameter


def _allowed(mask):
    """A module's mask says True where a key is left out; attention's functions say True where it takes part."""
    return mask.logical_not() if mask is not None and mask.dtype == _core.bool_ else mask


def _joined(a, b, dtype):
    """Both masks at once."""
    if a is None or b is None:
        return b if a is None else a
    if a.dtype == b.dtype == _core.bool_:
        return a.logical_and(b)
    return sum(where(m, _core.zeros((), dtype=dtype), -math.inf) if m.dtype == _core.bool_ else m for m in (a, b))


class MultiheadAttention(Module):
    """Attention of `num_heads` heads over projections of query, key and value, projected once more.

    Inputs are [S, B, E], or [B, S, E] with `batch_first`, or without a batch [S, E]. Returns the output and, if `need_weights`, the
    weights [B, Sq, Sk] averaged over the heads (of each head without `average_attn_weights`). Masks are True where a key is left out,
    or numbers that are added: key_padding_mask [B, Sk], attn_mask [Sq, Sk] or [B * num_heads, Sq, Sk]. A query without keys gets zero
    weights. `is_causal` alone masks what is behind a query; beside `attn_mask` it says that the mask is that one."""

    def __init__(self, embed_dim, num_heads, dropout=0.0, bias=True, kdim=None, vdim=None, batch_first=False, dtype=None):
        super().__init__()
        if embed_dim <= 0 or num_heads <= 0 or embed_dim % num_heads:
            raise ValueError(f"MultiheadAttention: found embed_dim {embed_dim} and num_heads {num_heads}, wanted a multiple of the heads")
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.kdim, self.vdim = kdim or embed_dim, vdim or embed_dim
        self.dropout, self.batch_first = dropout, batch_first
        dtype = dtype or _core.float32

        def parameter(*shape):
            return Parameter(_core.empty(shape, dtype=dtype))

        packed = self.kdim == self.vdim == embed_dim
        self.register_parameter("in_proj_weight", parameter(3 * embed_dim, embed_dim) if packed else None)
        for name, size in (("q", embed_dim), ("k", self.kdim), ("v", self.vdim)):
            self.register_parameter(f"{name}_proj_weight", None if packed else parameter(embed_dim, size))
        self.register_parameter("in_proj_bias", parameter(3 * embed_dim) if bias else None)
        self.out_proj = Linear(embed_dim, embed_dim, bias=bias, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self):
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)

    def _projections(self, query, key, value):
        """Query, key and value [B, S, E] as [B, H, S, D]."""
        size, weight, bias = self.embed_dim, self.in_proj_weight, self.in_proj_bias
        if weight is not None and query is key and key is value:
            packed = F.linear(query, weight, bias)
            parts = [packed[..., i * size:(i + 1) * size] for i in range(3)]
        else:
            weights = [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight] if weight is None else [weight[i * size:(i + 1) * size] for i in range(3)]
            biases = [None if bias is None else bias[i * size:(i + 1) * size] for i in range(3)]
            parts = [F.linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True)]
        return [x.reshape(x.shape[0], x.shape[1], self.num_heads, self.head_dim).transpose(1, 2) for x in parts]

    def _mask(self, key_padding_mask, attn_mask, dtype):
        """Both masks as one that broadcasts with [B, H, Sq, Sk]."""
        attn_mask, padding = _allowed(attn_mask), _allowed(key_padding_mask)
        if attn_mask is not None and attn_mask.ndim == 3:
            attn_mask = attn_mask.reshape(-1, self.num_heads, *attn_mask.shape[1:])
        if padding is not None:
            padding = padding.reshape(-1, 1, 1, padding.shape[-1])
        return _joined(attn_mask, padding, dtype)

    def forward(self, query, key, value, key_padding_mask=None, need_weights=True, attn_mask=None, average_attn_weights=True, is_causal=False):
        if query.ndim not in (2, 3):
            raise ValueError(f"MultiheadAttention: found a query of shape {tuple(query.shape)}, wanted rank 3, or 2 without a batch")
        is_self, is_batched = query is key and key is value, query.ndim == 3

        def batch_first(x):
            return x.unsqueeze(0) if not is_batched else x if self.batch_first else x.transpose(0, 1)

        query, key, value = [batch_first(query)] * 3 if is_self else [batch_first(x) for x in (query, key, value)]
        is_causal = is_causal and (attn_mask is None or (key_padding_mask is None and not need_weights))
        mask = self._mask(key_padding_mask, None if is_causal else attn_mask, query.dtype)
        q, k, v = self._projections(query, key, value)
        rate, weights = self.dropout if self.training else 0.0, None
        if need_weights or (is_causal and mask is not None):
            scores = (q * (1 / math.sqrt(self.head_dim))).matmul(k.transpose(-2, -1))
            weights = F.dropout(F.attention_weights(scores, mask, is_causal), rate)
            y = weights.matmul(v)
        else:
            y = F.scaled_dot_product_attention(q, k, v, mask, rate, is_causal)
        y = self.out_proj(y.transpose(1, 2).reshape(query.shape[0], query.shape[1], self.embed_dim))
        y = y.squeeze(0) if not is_batched else y if self.batch_first else y.transpose(0, 1)
        if not need_weights:
            return y, None
        weights = weights.mean(1) if average_attn_weights else weights
        return y, weights if is_batched else weights.squeeze(0)

    def extra_repr(self):
        return f"{self.embed_dim}, {self.num_heads}, dropout={self.dropout}, batch_first={self.batch_first}"
