# SPDX-License-Identifier: Apache-2.0
"""fin.autocast against torch.autocast("cpu"): dtypes op by op, gradients, nesting, jit, and how well training follows f32."""
import threading

import numpy as np
import pytest
from oracle import DTYPES, pair, rand, same, torch

import tinyfin as fin
from tinyfin import nn
from tinyfin.nn import functional as F

T = torch.nn.functional

# name -> the same expression of x [4, 8] in both libraries; `e` has other float32 tensors, f the functional module, m the package.
UNARY = "exp log sqrt rsqrt tanh erf sigmoid relu abs neg square reciprocal sin cos sum mean amax amin".split()
OPS = {name: (lambda name: lambda m, f, x, e: getattr(x.abs() + 1, name)())(name) for name in UNARY}
OPS |= {
    "matmul": lambda m, f, x, e: x @ e["w"],
    "matmul of a vector": lambda m, f, x, e: x @ e["b"],
    "batched matmul": lambda m, f, x, e: x.reshape(1, 4, 8) @ e["w"].reshape(1, 8, 8),
    "linear": lambda m, f, x, e: f.linear(x, e["w"], e["b"]),
    "linear of a vector": lambda m, f, x, e: f.linear(x[0], e["w"], e["b"]),
    "conv2d": lambda m, f, x, e: f.conv2d(x.reshape(1, 8, 2, 2), e["k"], e["b"]),
    "attention": lambda m, f, x, e: f.scaled_dot_product_attention(x.reshape(1, 2, 2, 8), e["x"].reshape(1, 2, 2, 8), e["x"].reshape(1, 2, 2, 8)),
    "causal attention": lambda m, f, x, e: f.scaled_dot_product_attention(x[None], x[None], e["x"][None], is_causal=True),
    "pow": lambda m, f, x, e: x.abs() ** 2.5,
    "rpow": lambda m, f, x, e: 2.0**x,
    "softmax": lambda m, f, x, e: f.softmax(x, -1),
    "log_softmax": lambda m, f, x, e: f.log_softmax(x, -1),
    "gelu": lambda m, f, x, e: f.gelu(x),
    "layer_norm": lambda m, f, x, e: f.layer_norm(x, (8,), e["b"], e["b"]),
    "layer_norm without parameters": lambda m, f, x, e: f.layer_norm(x, (8,)),
    "batch_norm": lambda m, f, x, e: f.batch_norm(x.reshape(1, 8, 2, 2), e["zeros"].clone(), e["ones"].clone(), e["b"], e["b"], True),
    "batch_norm in evaluation": lambda m, f, x, e: f.batch_norm(x.reshape(1, 8, 2, 2), e["zeros"], e["ones"], e["b"], e["b"], False),
    "max_pool2d": lambda m, f, x, e: f.max_pool2d(x.reshape(1, 8, 2, 2), 2),
    "avg_pool2d": lambda m, f, x, e: f.avg_pool2d(x.reshape(1, 8, 2, 2), 2),
    "embedding": lambda m, f, x, e: f.embedding(e["labels"], x),
    "dropout": lambda m, f, x, e: f.dropout(x, 0.5).abs() * 0,
    "cross_entropy": lambda m, f, x, e: f.cross_entropy(x, e["labels"]),
    "mse_loss": lambda m, f, x, e: f.mse_loss(x, e["x"]),
    "binary_cross_entropy_with_logits": lambda m, f, x, e: f.binary_cross_entropy_with_logits(x, e["x"]),
    "add of float32": lambda m, f, x, e: x + e["x"],
    "mul of a number": lambda m, f, x, e: x * 2.5,
    "cat": lambda m, f, x, e: m.cat([x, e["x"]]),
    "stack": lambda m, f, x, e: m.stack([x, e["x"]]),
    "where": lambda m, f, x, e: m.where(x > 0, x, e["x"]),
    "maximum": lambda m, f, x, e: x.maximum(e["x"]),
    "clamp": lambda m, f, x, e: x.clamp(-1, 1),
    "in-place add": lambda m, f, x, e: x.clone().add_(e["x"]),
}


def extras():
    arrays = {"w": rand(8, 8, seed=1, dtype="float32"), "b": rand(8, seed=2, dtype="float32"), "k": rand(8, 8, 1, 1, seed=3, dtype="float32"),
              "x": rand(4, 8, seed=4, dtype="float32"), "zeros": np.zeros(8, "float32"), "ones": np.ones(8, "float32"),
              "labels": np.array([0, 3, 1, 2])}
    pairs = {name: pair(array) for name, array in arrays.items()}
    return {n: p[0] for n, p in pairs.items()}, {n: p[1] for n, p in pairs.items()}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", OPS)
def test_dtypes_and_values_are_those_of_torch(name, dtype):
    ours, theirs = extras()
    x, tx = pair(rand(4, 8, dtype="float32"), dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        wanted = OPS[name](torch, T, tx, theirs)
    with fin.autocast():
        found = OPS[name](fin, F, x, ours)
    same(found, wanted, tolerance=2e-2 if fin.bfloat16 in (found.dtype, x.dtype) else None, scale=4)


@pytest.mark.parametrize("f, g", [(lambda x, w, b: F.linear(x, w, b), lambda x, w, b: T.linear(x, w, b)),
                                  (lambda x, w, b: F.layer_norm(F.linear(x, w), (8,), b, b), lambda x, w, b: T.layer_norm(T.linear(x, w), (8,), b, b))])
def test_gradients_of_parameters_are_float32(mode, f, g):
    pairs = [pair(rand(*shape, seed=i, dtype="float32"), "float32", grad=True) for i, shape in enumerate([(4, 8), (8, 8), (8,)])]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        wanted = (g(*[t for _, t in pairs]).float() ** 2).mean()
    with fin.autocast():
        found = (f(*[x for x, _ in pairs]).float() ** 2).mean()
    found.backward()
    wanted.backward()
    for x, t in pairs:
        assert x.grad.dtype == fin.float32
        np.testing.assert_allclose(x.grad.numpy(), t.grad.numpy(), rtol=4e-2, atol=2e-2)


def test_nesting_and_restoring():
    x = fin.ones((2, 2))
    assert not fin.is_autocast_enabled()
    outer = fin.autocast()
    with outer:
        assert (x @ x).dtype == fin.bfloat16
        with fin.autocast(enabled=False):
            assert not fin.is_autocast_enabled() and (x @ x).dtype == fin.float32
        with fin.autocast(fin.float16):
            assert fin.get_autocast_dtype() == fin.float16 and (x @ x).dtype == fin.float16
            with outer:  # the same object again
                assert (x @ x).dtype == fin.bfloat16
            assert (x @ x).dtype == fin.float16
        assert (x @ x).dtype == fin.bfloat16
    with pytest.raises(KeyError), fin.autocast():
        raise KeyError
    assert not fin.is_autocast_enabled() and (x @ x).dtype == fin.float32


def test_it_is_a_decorator():
    @fin.autocast()
    def product(x):
        """Doc."""
        return x @ x

    assert product(fin.ones((2, 2))).dtype == fin.bfloat16 and product.__doc__ == "Doc." and not fin.is_autocast_enabled()


def test_it_belongs_to_the_thread():
    seen = []
    with fin.autocast():
        thread = threading.Thread(target=lambda: seen.append(fin.is_autocast_enabled()))
        thread.start()
        thread.join()
    assert seen == [False]


@pytest.mark.parametrize("dtype", [fin.float32, fin.float64, fin.int32])
def test_other_dtypes_are_refused(dtype):
    with pytest.raises(ValueError, match="wanted bfloat16 or float16"):
        fin.autocast(dtype)
    assert not fin.is_autocast_enabled()


def test_float64_stays():
    x = fin.ones((2, 2), dtype=fin.float64)
    with fin.autocast():
        assert (x @ x).dtype == fin.float64 and F.mse_loss(x, x).dtype == fin.float64


def test_backward_outside_runs_in_the_dtypes_of_the_forward_pass():
    x, w = fin.ones((2, 2), requires_grad=True), fin.ones((2, 2), requires_grad=True)
    with fin.autocast():
        y = x @ w
    y.backward(fin.full((2, 2), 1 + 2.0**-9))  # a cotangent that bfloat16 rounds to 1
    assert w.grad.dtype == fin.float32 and w.grad.tolist() == [[2, 2], [2, 2]]


def test_jit_records_again_when_the_mode_changes():
    @fin.jit(fullgraph=True)
    def product(x):
        return x @ x

    x = fin.ones((4, 4))
    for _ in range(3):
        assert product(x).dtype == fin.float32
        with fin.autocast():
            assert product(x).dtype == fin.bfloat16
        with fin.autocast(fin.float16):
            assert product(x).dtype == fin.float16
    info = product.cache_info()
    assert info["signatures"] == 3 and info["demoted"] == 0 and info["hits"] == 3


def test_jit_with_the_mode_inside():
    w = fin.ones((4, 4), requires_grad=True)

    @fin.jit(fullgraph=True)
    def loss(x):
        with fin.autocast():
            y = x @ w
        return y, (y * x).sum()

    for _ in range(3):
        y, total = loss(fin.ones((4, 4)))
        assert y.dtype == fin.bfloat16 and total.dtype == fin.float32 and total.item() == 64
    w.grad = None
    total.backward()
    assert w.grad.dtype == fin.float32 and w.grad[0, 0].item() == 4
    assert loss.cache_info()["hits"] == 1


class Block(nn.Module):
    """A causal transformer block without the library's attention."""

    def __init__(self, dim):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.up, self.down = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def forward(self, x):
        n, t, d = x.shape
        q, k, v = [self.qkv(self.norm1(x)).reshape(n, t, 3, 2, d // 2)[:, :, i].transpose(1, 2) for i in range(3)]
        x = x + self.out((F.softmax(q @ k.transpose(-1, -2) * (d // 2) ** -0.5, -1) @ v).transpose(1, 2).reshape(n, t, d))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.blocks = nn.Embedding(16, 32), nn.Sequential(Block(32), Block(32))
        self.norm, self.head = nn.LayerNorm(32), nn.Linear(32, 16)

    def forward(self, x):
        return self.head(self.norm(self.blocks(self.embedding(x)))).reshape(-1, 16)


class Cnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        self.conv2, self.norm2 = nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16)
        self.head = nn.Linear(16 * 16, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        return self.head((x + F.relu(self.norm2(self.conv2(x)))).flatten(1))


def torch_twin(model):
    """The same module in PyTorch with the same parameters."""
    kinds = {nn.Linear: lambda m: torch.nn.Linear(m.in_features, m.out_features), nn.LayerNorm: lambda m: torch.nn.LayerNorm(m.normalized_shape),
             nn.Embedding: lambda m: torch.nn.Embedding(m.num_embeddings, m.embedding_dim), nn.BatchNorm2d: lambda m: torch.nn.BatchNorm2d(m.num_features),
             nn.Conv2d: lambda m: torch.nn.Conv2d(m.in_channels, m.out_channels, m.kernel_size, padding=m.padding, bias=m.bias is not None)}

    def build(module):
        if type(module) in kinds:
            return kinds[type(module)](module)
        children = {name: build(child) for name, child in module.named_children()}
        if isinstance(module, nn.Sequential):
            return torch.nn.Sequential(*children.values())
        twin = torch.nn.Module()
        for name, child in children.items():
            setattr(twin, name, child)
        return twin

    twin = build(model)
    twin.load_state_dict({name: torch.from_numpy(value.numpy().copy()) for name, value in model.state_dict().items()})
    return twin


def batches(kind, steps):
    """A task that is learned in a hundred steps: the next token of a fixed permutation walk, or the brightest of ten regions."""
    rng = np.random.default_rng(3)
    order = rng.permutation(16)
    for _ in range(steps):
        if kind is Transformer:
            tokens = rng.integers(0, 16, (8, 1))
            for _ in range(12):
                tokens = np.concatenate([tokens, np.where(rng.random((8, 1)) < 0.9, order[tokens[:, -1:]], rng.integers(0, 16, (8, 1)))], 1)
            yield tokens[:, :-1], tokens[:, 1:].reshape(-1)
        else:
            labels = rng.integers(0, 10, 16)
            images = rng.normal(0, 0.5, (16, 3, 8, 8)).astype("float32")
            for image, label in zip(images, labels):
                image[label % 3, label // 2 : label // 2 + 4, label % 5 : label % 5 + 3] += 1
            yield images, labels


def our_losses(kind, autocast, wrap=lambda f: f, steps=100):
    fin.manual_seed(5)
    model = kind()
    optimizer = fin.optim.AdamW(model.parameters(), lr=3e-3)

    def step(x, y):
        optimizer.zero_grad()
        with fin.autocast(enabled=autocast):
            loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    step = wrap(step)
    losses = [step(fin.tensor(x), fin.tensor(y)).item() for x, y in batches(kind, steps)]
    assert all(p.dtype == fin.float32 for p in model.parameters())
    return np.array(losses)


def their_losses(kind, autocast):
    fin.manual_seed(5)
    model = torch_twin(kind())
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    forward = {Transformer: torch_transformer, Cnn: torch_cnn}[kind]
    losses = []
    for x, y in batches(kind, 100):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            loss = T.cross_entropy(forward(model, torch.tensor(x)), torch.tensor(y))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return np.array(losses)


def torch_transformer(model, x):
    x = model.embedding(x)
    for block in model.blocks:
        n, t, d = x.shape
        q, k, v = block.qkv(block.norm1(x)).reshape(n, t, 3, 2, d // 2).permute(2, 0, 3, 1, 4)
        x = x + block.out((T.softmax(q @ k.transpose(-1, -2) * (d // 2) ** -0.5, -1) @ v).transpose(1, 2).reshape(n, t, d))
        x = x + block.down(T.gelu(block.up(block.norm2(x))))
    return model.head(model.norm(x)).reshape(-1, 16)


def torch_cnn(model, x):
    x = T.max_pool2d(T.relu(model.norm1(model.conv1(x))), 2)
    return model.head((x + T.relu(model.norm2(model.conv2(x)))).flatten(1))


@pytest.mark.parametrize("kind", [Transformer, Cnn])
def test_training_follows_float32_as_well_as_torch_does(kind):
    exact = their_losses(kind, False)
    theirs = np.abs(their_losses(kind, True) - exact)
    ours = np.abs(our_losses(kind, True) - exact)
    jitted = np.abs(our_losses(kind, True, fin.jit(fullgraph=True)) - exact)
    assert exact[-10:].mean() < exact[0] / 2, "the task is not learned: nothing is compared"
    for found in (ours, jitted):
        assert found[:5].max() < 2 * theirs[:5].max() + 5e-3
        assert found.mean() < 1.5 * theirs.mean() + 5e-3, f"found {found.mean()}, torch {theirs.mean()}"
