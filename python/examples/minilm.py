#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sentence embeddings with a network of MiniLM-L6's shape (Wang et al., 2020): a BERT encoder, mean pooling, unit length.

Runs inference with random weights and prints what it takes:
    python minilm.py [--batch 1] [--length 128]
"""
import argparse
import time

import numpy as np
from bert_mini import Config, Encoder

import tinyfin as fin
from tinyfin import nn

MINILM = Config(context=512, layers=6, width=384, heads=12, hidden=1536)


class MiniLM(nn.Module):
    """Embeddings [B, width] of unit length of token numbers [B, S]; `mask` [B, S] is 1 where there is a token (default: everywhere)."""

    def __init__(self, config=MINILM):
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)

    def forward(self, tokens, mask=None):
        if mask is None:
            pooled = self.encoder(tokens).mean(1)
        else:
            x, here = self.encoder(tokens, (mask > 0).reshape(mask.shape[0], 1, 1, -1)), mask.to(fin.float32).unsqueeze(2)
            pooled = (x * here).sum(1) / here.sum(1).clamp(min=1e-9)
        return pooled / pooled.square().sum(1, keepdim=True).sqrt().clamp(min=1e-12)


def embedder(model):
    """A jitted function from token numbers to embeddings. The weights are constants to it until they change."""
    model.eval()

    @fin.jit(freeze=True)
    def embed(tokens, mask=None):
        with fin.no_grad():
            return model(tokens, mask)
    return embed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--runs", type=int, default=20)
    options = parser.parse_args()
    fin.manual_seed(0)
    model = MiniLM()
    embed = embedder(model)
    tokens = fin.from_numpy(np.random.default_rng(0).integers(0, model.config.vocabulary, (options.batch, options.length)))
    for i in range(options.runs):
        begin = time.perf_counter()
        embed(tokens).numpy()
        took = time.perf_counter() - begin
        print(f"run {i:3}  {1e3 * took:7.2f} ms  {tokens.numel() / took:8.0f} tokens/s", flush=True)
    print("similarity of the first sentence to the others:", (embed(tokens) @ embed(tokens)[0].unsqueeze(1)).flatten().numpy().round(3)[:8])


if __name__ == "__main__":
    main()
