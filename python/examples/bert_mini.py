#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A small BERT (Devlin et al., 2018) with its masked-word head: post-norm blocks, the output tied to the embedding.

Trains on sequences made here, in which each token follows from the one before, so that masked ones can be found out:
    python bert_mini.py [--steps 50]
"""
import argparse
import dataclasses
import time

import numpy as np

import tinyfin as fin
from tinyfin import nn, optim
from tinyfin.nn import functional as F

MASK = 103


@dataclasses.dataclass(frozen=True)
class Config:
    vocabulary: int = 30522
    context: int = 128
    layers: int = 4
    width: int = 256
    heads: int = 4
    hidden: int = 1024


class Layer(nn.Module):
    """norm(x + attention(x)), then norm(x + mlp(x)), of x [B, S, width]; `mask` [B, 1, 1, S] is True where there is a token."""

    def __init__(self, config):
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.qkv = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.grow, self.shrink = nn.Linear(width, config.hidden), nn.Linear(config.hidden, width)

    def attention(self, x, mask):
        batch, length, width = x.shape
        q, k, v = self.qkv(x).reshape(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.project(mixed.transpose(1, 2).reshape(batch, length, width))

    def forward(self, x, mask=None):
        x = self.norm1(x + self.attention(x, mask))
        return self.norm2(x + self.shrink(F.gelu(self.grow(x))))


class Encoder(nn.Module):
    """Hidden states [B, S, width] of token numbers [B, S]."""

    def __init__(self, config):
        super().__init__()
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Embedding(config.context, config.width)
        self.norm = nn.LayerNorm(config.width)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        for parameter in self.parameters():
            if parameter.ndim == 2:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, tokens, mask=None):
        x = self.norm(self.tokens(tokens) + self.positions.weight[: tokens.shape[1]])
        for layer in self.layers:
            x = layer(x, mask)
        return x


class BERT(nn.Module):
    """Logits [B, S, vocabulary] of token numbers [B, S]."""

    def __init__(self, config=Config()):
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.transform, self.norm = nn.Linear(config.width, config.width), nn.LayerNorm(config.width)
        self.bias = nn.Parameter(fin.zeros((config.vocabulary,)))

    def forward(self, tokens, mask=None):
        x = self.norm(F.gelu(self.transform(self.encoder(tokens, mask))))
        return F.linear(x, self.encoder.tokens.weight, self.bias)


def training_step(model, optimizer):
    @fin.jit
    def step(tokens, targets):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(tokens).flatten(0, 1), targets.flatten())
        loss.backward()
        optimizer.step()
        return loss
    return step


def masked_sequences(generator, batch, config, rate=0.15):
    """(tokens, targets), each int64 [batch, context]: token i is start + i * stride among 1,000 words; `rate` of them are hidden."""
    start, stride = generator.integers(0, 1000, (batch, 1)), generator.integers(1, 4, (batch, 1))
    targets = 1000 + (start + stride * np.arange(config.context)) % 1000
    return np.where(generator.random(targets.shape) < rate, MASK, targets), targets


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--batch", type=int, default=8)
    options = parser.parse_args()
    fin.manual_seed(0)
    model = BERT()
    step = training_step(model, optim.AdamW(model.parameters(), lr=1e-3))
    generator = np.random.default_rng(0)
    for i in range(options.steps):
        tokens, targets = map(fin.from_numpy, masked_sequences(generator, options.batch, model.config))
        begin = time.perf_counter()
        loss = step(tokens, targets).item()
        print(f"step {i:4}  loss {loss:.4f}  {tokens.numel() / (time.perf_counter() - begin):8.0f} tokens/s", flush=True)


if __name__ == "__main__":
    main()
