# SPDX-License-Identifier: Apache-2.0
"""Five epochs of digits beside PyTorch from the same weights, without dropout.

Float32 training amplifies rounding: PyTorch's own float32 losses leave its float64 losses by tens of tolerances after 115 steps of a
network with batch norm, and by others again with another number of threads. So the first epoch is compared directly, and over five
epochs ours must stay as near to the float64 losses as PyTorch's float32 losses do."""
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is the oracle and is not installed")
datasets = pytest.importorskip("sklearn.datasets", reason="the digits come with scikit-learn")

import tinyfin as fin  # noqa: E402

BATCH, EPOCHS = 64, 5


def network(nn):
    return nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                         nn.Linear(256, 32), nn.ReLU(), nn.Linear(32, 10))


def batches():
    digits = datasets.load_digits()
    images, labels = (digits.images / 16).astype("float32")[:1437, None], digits.target.astype("int64")[:1437]
    rng = np.random.default_rng(0)
    for _ in range(EPOCHS):
        order = rng.permutation(len(labels))
        for start in range(0, len(order), BATCH):
            chosen = order[start:start + BATCH]
            yield images[chosen], labels[chosen]


def losses(library, model, optimizer, tensor, wrap=lambda f: f):
    functional, clip = library.nn.functional, library.nn.utils.clip_grad_norm_

    @wrap
    def step(x, y):
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x), y)
        loss.backward()
        clip(model.parameters(), 1.0)
        optimizer.step()
        return loss

    return np.array([step(tensor(x), tensor(y)).item() for x, y in batches()])


def torch_losses(weights, dtype):
    model = network(torch.nn).to(dtype)
    model.load_state_dict({name: torch.tensor(value) for name, value in weights.items()}, strict=False)
    model = model.to(dtype)
    return losses(torch, model, torch.optim.AdamW(model.parameters(), lr=1e-3),
                  lambda a: torch.from_numpy(a).to(dtype) if a.dtype == np.float32 else torch.from_numpy(a))


def test_digits_follow_pytorch():
    fin.manual_seed(1)
    model = network(fin.nn)
    weights = {name: np.array(value.numpy()) for name, value in model.state_dict().items()}
    ours = losses(fin, model, fin.optim.AdamW(model.parameters(), lr=1e-3), fin.tensor, fin.jit)
    single, double = torch_losses(weights, torch.float32), torch_losses(weights, torch.float64)
    epoch = len(ours) // EPOCHS
    np.testing.assert_allclose(ours[:epoch], double[:epoch], rtol=1e-4, atol=1e-5)
    distance = np.abs(single - double).max()
    assert np.abs(ours - double).max() <= 2 * distance + 1e-5
    assert ours[-epoch:].mean() < 0.5
