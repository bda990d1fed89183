# SPDX-License-Identifier: Apache-2.0
"""Attention from plain ops: softmax(q @ k.T / sqrt(d) + mask) @ v over [..., S, D]."""
import math

import tinyfin as fin
from tinyfin.nn import functional as F


def scaled_dot_product_attention(q, k, v, attn_mask=None, is_causal=False):
    scores = q @ k.transpose(-2, -1) * (1 / math.sqrt(q.shape[-1]))
    if is_causal:
        rows, columns = fin.arange(q.shape[-2]).unsqueeze(1), fin.arange(k.shape[-2])
        attn_mask = columns <= rows
    if attn_mask is not None:
        scores = fin.where(attn_mask, scores, -1e30)
    return F.softmax(scores, -1) @ v
