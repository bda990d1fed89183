# SPDX-License-Identifier: Apache-2.0
"""What is measured: the networks, their data and starting weights (NumPy only, so that every library gets the same)."""
import statistics
import time

import numpy as np

RATE, MOMENTUM = 0.01, 0.9
CHECKED_STEPS = 10

# name -> (layer sizes, batch). lenet5 has 28x28 images.
MLPS = {"tiny-mlp": ((64, 64, 64, 10), 16), "mlp": ((784, 512, 512, 10), 128)}
LENET_BATCH = 64
LENET_SHAPES = [(6, 1, 5, 5), (16, 6, 5, 5), (120, 256), (84, 120), (10, 84)]
TRAINING = (*MLPS, "lenet5")


def batch_of(name):
    """(inputs float32, labels int64)."""
    generator = np.random.default_rng(1)
    shape = (LENET_BATCH, 1, 28, 28) if name == "lenet5" else (MLPS[name][1], MLPS[name][0][0])
    return generator.standard_normal(shape, dtype="float32"), generator.integers(0, 10, shape[0])


def weights_of(name):
    """[(weight, bias), ...] in the order of the layers."""
    generator = np.random.default_rng(2)
    sizes = MLPS[name][0] if name in MLPS else None
    shapes = LENET_SHAPES if sizes is None else [(o, i) for i, o in zip(sizes, sizes[1:])]
    return [(generator.standard_normal(s, dtype="float32") / np.sqrt(np.prod(s[1:])).astype("float32"), np.zeros(s[0], "float32")) for s in shapes]


def network(nn, name):
    """The network, from tinyfin's nn or PyTorch's."""
    if name == "lenet5":
        return nn.Sequential(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                             nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))
    layers = []
    for i, o in zip(MLPS[name][0], MLPS[name][0][1:]):
        layers += [nn.Linear(i, o), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def trainer(library, name, optimizer, **options):
    """A model and its training step, for any library with PyTorch's names; `library.tensor_of` makes a tensor of an array."""
    model = network(library.nn, name)
    state = {}
    keys = iter(model.state_dict())
    for weight, bias in weights_of(name):
        state[next(keys)], state[next(keys)] = library.tensor_of(weight), library.tensor_of(bias)
    model.load_state_dict(state)
    kind = library.optim.SGD if optimizer == "sgd" else library.optim.AdamW
    options = {**options, **({"momentum": MOMENTUM} if optimizer == "sgd" else {})}
    update = kind(model.parameters(), lr=RATE, **options)
    x, y = map(library.tensor_of, batch_of(name))

    def step():
        update.zero_grad()
        loss = library.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        update.step()
        return loss
    return step


def median_time(run, finish, budget=1.5, per_round=20):
    """Median over rounds of the seconds one run() takes; each round of runs ends with finish(). At most 4 budgets long."""
    begin = time.perf_counter()
    run()
    finish()
    per_round = max(1, min(per_round, int(budget / 7 / (time.perf_counter() - begin))))
    times, start = [], time.perf_counter()
    while time.perf_counter() - start < budget or (len(times) < 7 and time.perf_counter() - start < 4 * budget):
        begin = time.perf_counter()
        for _ in range(per_round):
            run()
        finish()
        times.append((time.perf_counter() - begin) / per_round)
    return statistics.median(times)
