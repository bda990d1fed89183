#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A small GPT (Radford et al., 2019) over characters: pre-norm blocks, learned positions, the output tied to the embedding.

Trains on a text file (its own source by default) and writes a few lines of its own:
    python gpt_mini.py [--steps 100] [--text FILE]
"""
import argparse
import dataclasses
import pathlib
import time

import numpy as np

import tinyfin as fin
from tinyfin import nn, optim
from tinyfin.nn import functional as F


@dataclasses.dataclass(frozen=True)
class Config:
    vocabulary: int = 96
    context: int = 256
    layers: int = 6
    width: int = 384
    heads: int = 6


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)), of x [B, S, width]."""

    def __init__(self, config):
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        self.grow, self.shrink = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def attention(self, x):
        batch, length, width = x.shape
        q, k, v = self.qkv(x).reshape(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.project(mixed.transpose(1, 2).reshape(batch, length, width))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.shrink(F.gelu(self.grow(self.norm2(x))))


class GPT(nn.Module):
    """Logits [B, S, vocabulary] of token numbers [B, S]."""

    def __init__(self, config=Config()):
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Embedding(config.context, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        for parameter in self.parameters():
            if parameter.ndim == 2:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, tokens):
        x = self.tokens(tokens) + self.positions.weight[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        return F.linear(self.norm(x), self.tokens.weight)


def training_step(model, optimizer):
    @fin.jit
    def step(tokens, targets):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(tokens).flatten(0, 1), targets.flatten())
        loss.backward()
        optimizer.step()
        return loss
    return step


def encode(text):
    """Token numbers 0..95 of the printable ASCII characters and newline; others become '?'."""
    codes = np.frombuffer(text.encode("ascii", "replace"), "uint8").astype("int64")
    return np.where(codes == ord("\n"), 95, np.clip(codes - 32, 0, 94))


def decode(tokens):
    return "".join("\n" if t == 95 else chr(t + 32) for t in tokens)


def batches(generator, data, batch, context):
    """Yields (tokens, targets), each [batch, context], without end."""
    while True:
        starts = generator.integers(0, len(data) - context, batch)[:, None] + np.arange(context)
        yield fin.from_numpy(data[starts]), fin.from_numpy(data[starts + 1])


def sample(model, prompt, count):
    """The prompt and the `count` most likely characters after it. One shape throughout: a window padded at the right."""
    model.eval()
    forward, context = fin.jit(model.forward), model.config.context
    tokens = list(encode(prompt))
    with fin.no_grad():
        for _ in range(count):
            window = tokens[-context:]
            padded = np.zeros((1, context), "int64")
            padded[0, : len(window)] = window
            tokens.append(int(forward(fin.from_numpy(padded)).numpy()[0, len(window) - 1].argmax()))
    model.train()
    return decode(tokens)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--text", type=pathlib.Path, default=pathlib.Path(__file__))
    options = parser.parse_args()
    fin.manual_seed(0)
    model = GPT()
    step = training_step(model, optim.AdamW(model.parameters(), lr=1e-3))
    source = batches(np.random.default_rng(0), encode(options.text.read_text()), options.batch, model.config.context)
    for i, (tokens, targets) in zip(range(options.steps), source):
        begin = time.perf_counter()
        loss = step(tokens, targets).item()
        print(f"step {i:4}  loss {loss:.4f}  {tokens.numel() / (time.perf_counter() - begin):8.0f} tokens/s", flush=True)
    print(sample(model, "def ", 80))


if __name__ == "__main__":
    main()
