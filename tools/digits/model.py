# SPDX-License-Identifier: Apache-2.0
"""The digits of scikit-learn, a small convolutional network for them, and one training step; in tinyfin and in PyTorch."""
import numpy as np
from sklearn.datasets import load_digits

import tinyfin as fin
from tinyfin import nn, optim

BATCH, EPOCHS, SEED = 64, 14, 7
PEAK_RATE, CLIP = 4e-3, 1.0


def load_data():
    """((train images, labels), (test images, labels)): float32 [N, 1, 8, 8] in [0, 1], int64 [N]."""
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    images = (digits.images[order] / 16).astype("float32")[:, None]
    labels = digits.target[order].astype("int64")
    return (images[:1437], labels[:1437]), (images[1437:], labels[1437:])


def network(nn):
    """The network, built from tinyfin's nn or PyTorch's: they have the same names."""
    return nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
                         nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Flatten(), nn.Dropout(0.2), nn.Linear(512, 64), nn.ReLU(), nn.Linear(64, 10))


class Training:
    """A model with its optimizer and its schedule of one learning rate a step."""

    def __init__(self, images, labels):
        fin.manual_seed(SEED)
        self.loader = fin.data.DataLoader(fin.data.TensorDataset(images, labels), BATCH, shuffle=True, seed=SEED)
        self.model = network(nn)
        self.optimizer = optim.AdamW(self.model.parameters(), lr=PEAK_RATE, weight_decay=1e-2)
        self.schedule = optim.lr_scheduler.CosineAnnealingLR(self.optimizer, EPOCHS * len(self.loader))

    def step(self, x, y):
        """Forward, backward, clipping and update. The whole of it is one graph."""
        self.optimizer.zero_grad()
        loss = nn.functional.cross_entropy(self.model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.optimizer.step()
        return loss

    def epoch(self, step):
        """Losses of one pass over the data, the ragged last batch included."""
        losses = []
        for x, y in self.loader:
            losses.append(step(x, y))
            self.schedule.step()
        return [loss.item() for loss in losses]


def accuracy(model, images, labels, batch=256):
    """Share of right answers, and the logits."""
    model.eval()
    with fin.no_grad():
        logits = np.concatenate([model(fin.from_numpy(images[i:i + batch])).numpy() for i in range(0, len(images), batch)])
    model.train()
    return float((logits.argmax(1) == labels).mean()), logits


def torch_step(images, labels):
    """The same training step in eager PyTorch, or None without PyTorch."""
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(fin_threads())
    model = network(torch.nn)
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_RATE, weight_decay=1e-2)
    x, y = torch.from_numpy(images[:BATCH]), torch.from_numpy(labels[:BATCH])

    def step():
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
    return step


def fin_threads():
    """Threads that tinyfin uses here."""
    import os
    return int(os.environ.get("TINYFIN_NUM_THREADS") or os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0)))
