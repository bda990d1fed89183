# SPDX-License-Identifier: Apache-2.0
"""Layers: outputs, gradients of inputs and parameters, and running statistics are PyTorch's."""
import numpy as np
import pytest
from oracle import DTYPES, pair, rand, same, torch

import tinyfin as fin
from tinyfin import nn

IMAGES, ROWS = (4, 3, 8, 8), (5, 6)
LAYERS = {
    "linear": (ROWS, lambda n: n.Linear(6, 4)), "linear of 3 axes": ((2, 5, 6), lambda n: n.Linear(6, 4)), "linear of a vector": ((6,), lambda n: n.Linear(6, 4)),
    "linear without bias": (ROWS, lambda n: n.Linear(6, 4, bias=False)),
    "conv": (IMAGES, lambda n: n.Conv2d(3, 5, 3)), "conv padded": (IMAGES, lambda n: n.Conv2d(3, 5, 3, padding=1)),
    "conv strided": (IMAGES, lambda n: n.Conv2d(3, 5, (3, 2), stride=(2, 1), padding=(1, 0), bias=False)), "conv 1x1": (IMAGES, lambda n: n.Conv2d(3, 16, 1)),
    "max pool": (IMAGES, lambda n: n.MaxPool2d(2)), "max pool overlapping": (IMAGES, lambda n: n.MaxPool2d(3, 2, 1)),
    "avg pool": (IMAGES, lambda n: n.AvgPool2d(2)), "avg pool padded": (IMAGES, lambda n: n.AvgPool2d(3, 2, 1)),
    "batch norm": (IMAGES, lambda n: n.BatchNorm2d(3)), "batch norm of average": (IMAGES, lambda n: n.BatchNorm2d(3, momentum=None)),
    "batch norm not affine": (IMAGES, lambda n: n.BatchNorm2d(3, affine=False)), "batch norm untracked": (IMAGES, lambda n: n.BatchNorm2d(3, track_running_stats=False)),
    "layer norm": (ROWS, lambda n: n.LayerNorm(6)), "layer norm of 2 axes": ((2, 5, 6), lambda n: n.LayerNorm((5, 6))),
    "layer norm plain": (ROWS, lambda n: n.LayerNorm(6, elementwise_affine=False)), "layer norm without bias": (ROWS, lambda n: n.LayerNorm(6, bias=False)),
    "relu": (ROWS, lambda n: n.ReLU()), "gelu": (ROWS, lambda n: n.GELU()), "gelu tanh": (ROWS, lambda n: n.GELU(approximate="tanh")), "tanh": (ROWS, lambda n: n.Tanh()),
    "sigmoid": (ROWS, lambda n: n.Sigmoid()), "softmax": (ROWS, lambda n: n.Softmax(dim=-1)), "log softmax": (ROWS, lambda n: n.LogSoftmax(dim=0)),
    "flatten": (IMAGES, lambda n: n.Flatten()), "identity": (ROWS, lambda n: n.Identity()), "dropout at 0": (ROWS, lambda n: n.Dropout(0.0)),
    "sequence": (IMAGES, lambda n: n.Sequential(n.Conv2d(3, 4, 3), n.BatchNorm2d(4), n.ReLU(), n.MaxPool2d(2), n.Flatten(), n.Linear(36, 10)))}


def twins(make, dtype):
    """The same layer in both libraries, with the same state (parameters away from their special starts)."""
    ours, theirs = make(nn), make(torch.nn)
    ours.to(DTYPES[dtype][0])
    theirs.to(DTYPES[dtype][1])
    state = theirs.state_dict()
    for i, (name, value) in enumerate(state.items()):
        if value.dtype.is_floating_point:
            state[name] = torch.from_numpy(rand(*value.shape, seed=i, low=0.3, high=1.2)).to(value.dtype)
    theirs.load_state_dict(state)
    result = ours.load_state_dict({name: fin.from_numpy(value.numpy()) for name, value in state.items()})
    assert not result.missing_keys and not result.unexpected_keys
    return ours, theirs


def compare(ours, theirs, x, t):
    y, u = ours(x), theirs(t)
    same(y, u, scale=4)
    cotangent, torch_cotangent = pair(rand(*u.shape, seed=7), str(u.dtype).removeprefix("torch."))
    y.backward(cotangent)
    u.backward(torch_cotangent)
    same(x.grad, t.grad, scale=20)
    for (name, p), (torch_name, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        assert name == torch_name
        same(p.grad, q.grad, scale=50)
    for (name, b), (torch_name, c) in zip(ours.state_dict().items(), theirs.state_dict().items(), strict=True):
        assert name == torch_name
        same(b, c, scale=4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LAYERS)
def test_training(name, dtype, mode):
    shape, make = LAYERS[name]
    ours, theirs = twins(make, dtype)
    compare(ours, theirs, *pair(rand(*shape), dtype, grad=True))


@pytest.mark.parametrize("name", [n for n in LAYERS if "norm" in n or n == "sequence"])
def test_evaluation(name):
    shape, make = LAYERS[name]
    ours, theirs = twins(make, "float64")
    assert ours.eval() is ours and not ours.training
    compare(ours, theirs.eval(), *pair(rand(*shape), "float64", grad=True))


def test_running_statistics_over_several_batches():
    ours, theirs = twins(lambda n: n.BatchNorm2d(3), "float32")
    for i in range(5):
        x, t = pair(rand(4, 3, 5, 5, seed=i), "float32")
        ours(x)
        theirs(t)
    for name, value in theirs.state_dict().items():
        same(ours.state_dict()[name], value)


def test_embedding():
    ours, theirs = twins(lambda n: n.Embedding(10, 4), "float64")
    (i, ti) = pair(np.array([[1, 2], [9, 1]]))
    y, u = ours(i), theirs(ti)
    same(y, u)
    y.square().sum().backward()
    u.square().sum().backward()
    same(ours.weight.grad, theirs.weight.grad)


def test_embedding_out_of_range():
    with pytest.raises(IndexError):
        nn.Embedding(4, 2)(fin.tensor([4])).numpy()


def test_dropout_keeps_the_mean_and_scales():
    x = fin.ones((200, 200))
    y = nn.Dropout(0.25)(x).numpy()
    assert set(np.unique(y)) == {0.0, np.float32(1 / 0.75)}
    assert abs((y == 0).mean() - 0.25) < 0.01


def test_dropout_differs_between_calls_and_repeats_by_seed():
    layer, x = nn.Dropout(0.5), fin.ones((64,))
    fin.manual_seed(3)
    first, second = layer(x).tolist(), layer(x).tolist()
    fin.manual_seed(3)
    assert first != second and layer(x).tolist() == first


def test_dropout_gradient_uses_the_same_mask():
    x = fin.ones((1000,))
    x.requires_grad_(True)
    y = nn.Dropout(0.5)(x)
    y.sum().backward()
    assert (y.detach().numpy() == x.grad.numpy()).all()


def test_dropout_in_evaluation_is_identity():
    x = fin.ones((8,))
    assert nn.Dropout(0.9).eval()(x).tolist() == [1] * 8


@pytest.mark.parametrize("loss", ["CrossEntropyLoss", "MSELoss", "BCEWithLogitsLoss"])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_losses(loss, reduction):
    x, t = pair(rand(6, 4), grad=True)
    y, u = pair(np.arange(6) % 4) if loss == "CrossEntropyLoss" else pair(rand(6, 4, seed=1, low=0, high=1))
    same(getattr(nn, loss)(reduction=reduction)(x, y), getattr(torch.nn, loss)(reduction=reduction)(t, u))


@pytest.mark.parametrize("make, shape, words", [
    (lambda: nn.Linear(6, 4), (5, 7), "7.*6|6.*7"), (lambda: nn.Conv2d(3, 4, 3), (1, 2, 8, 8), "2.*3|3.*2"), (lambda: nn.BatchNorm2d(3), (2, 4, 5, 5), "wanted"),
    (lambda: nn.LayerNorm(6), (5, 7), "wanted"), (lambda: nn.BatchNorm2d(3), (1, 3, 1, 1), "one value")])
def test_wrong_input_is_named(make, shape, words):
    with pytest.raises((ValueError, RuntimeError), match=words):
        make()(fin.zeros(shape))


@pytest.mark.parametrize("make", [lambda: nn.Dropout(1.5), lambda: nn.Conv2d(1, 1, (1, 2, 3)), lambda: nn.MSELoss(reduction="max"), lambda: nn.GELU("fast")(fin.ones((1,)))])
def test_wrong_options(make):
    with pytest.raises(ValueError, match="found .* wanted"):
        make()


STARTS = {"Linear": lambda n: n.Linear(300, 200), "Conv2d": lambda n: n.Conv2d(16, 64, 3), "Embedding": lambda n: n.Embedding(200, 100)}


@pytest.mark.parametrize("name", STARTS)
def test_default_initialization_has_the_spread_of_pytorch(name):
    ours, theirs = STARTS[name](nn), STARTS[name](torch.nn)
    for (_, p), (_, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        p, q = p.detach().numpy(), q.detach().numpy()
        assert p.std() == pytest.approx(q.std(), rel=0.25)
        assert abs(p).max() == pytest.approx(abs(q).max(), rel=0.25)
        assert abs(p.mean()) < 0.3 * p.std()


@pytest.mark.parametrize("name, args", [("xavier_uniform_", ()), ("xavier_normal_", ()), ("kaiming_uniform_", ()), ("kaiming_normal_", ()),
                                        ("uniform_", (-1.0, 2.0)), ("normal_", (1.0, 2.0)), ("constant_", (3.0,)), ("ones_", ()), ("zeros_", ())])
def test_initializations(name, args):
    ours, theirs = fin.empty((200, 150)), torch.empty(200, 150)
    assert getattr(nn.init, name)(ours, *args) is ours
    getattr(torch.nn.init, name)(theirs, *args)
    assert ours.numpy().std() == pytest.approx(theirs.numpy().std(), rel=0.05)
    assert ours.numpy().mean() == pytest.approx(theirs.numpy().mean(), abs=0.05)


@pytest.mark.parametrize("norm_type", [2.0, 1.0, 3.0, float("inf")])
@pytest.mark.parametrize("limit", [0.5, 1000.0])
def test_clip_grad_norm(norm_type, limit):
    ours, theirs = twins(lambda n: n.Sequential(n.Linear(6, 5), n.Linear(5, 4)), "float64")
    x, t = pair(rand(5, 6))
    ours(x).square().sum().backward()
    theirs(t).square().sum().backward()
    same(nn.utils.clip_grad_norm_(ours.parameters(), limit, norm_type), torch.nn.utils.clip_grad_norm_(theirs.parameters(), limit, norm_type))
    for p, q in zip(ours.parameters(), theirs.parameters()):
        same(p.grad, q.grad)


def test_clip_grad_value():
    ours, theirs = twins(lambda n: n.Linear(6, 5), "float64")
    ours(pair(rand(5, 6))[0]).sum().backward()
    theirs(pair(rand(5, 6))[1]).sum().backward()
    nn.utils.clip_grad_value_(ours.parameters(), 0.7)
    torch.nn.utils.clip_grad_value_(theirs.parameters(), 0.7)
    for p, q in zip(ours.parameters(), theirs.parameters()):
        same(p.grad, q.grad)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("shape", [(6, 5), (4, 5, 3)])
def test_cross_entropy_leaves_out_the_ignored(shape, smoothing, reduction, mode):
    (x, t), target = pair(rand(*shape), "float64", grad=True), np.random.default_rng(1).integers(0, 5, (shape[0], *shape[2:]))
    target[::2] = -100
    how = {"reduction": reduction, "label_smoothing": smoothing, "ignore_index": -100}
    y = nn.functional.cross_entropy(x, fin.from_numpy(target), **how)
    u = torch.nn.functional.cross_entropy(t, torch.from_numpy(target), **how)
    same(y, u)
    y.sum().backward()
    u.sum().backward()
    same(x.grad, t.grad, scale=4)


def test_tied_embedding():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(9, 4)

        def forward(self, tokens):
            return nn.functional.linear(self.table(tokens).tanh(), self.table.weight)

    model, tokens = Tied(), np.array([[1, 3, 3], [8, 0, 3]])
    weight = torch.from_numpy(model.table.weight.detach().numpy().copy()).requires_grad_()
    torch.nn.functional.linear(torch.nn.functional.embedding(torch.from_numpy(tokens), weight).tanh(), weight).square().sum().backward()

    @fin.jit(fullgraph=True)
    def gradient(tokens):
        model.zero_grad()
        model(tokens).square().sum().backward()
        return model.table.weight.grad * 1

    for _ in range(4):
        same(gradient(fin.from_numpy(tokens)), weight.grad, scale=10)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_clip_grad_norm_of_halves(dtype):
    """Squares that overflow float16, and more terms than bfloat16 can count."""
    ours = [nn.Parameter(fin.zeros(4096, dtype=getattr(fin, dtype))) for _ in range(3)]
    for p in ours:
        p.grad = fin.full((4096,), 300.0).to(getattr(fin, dtype))
    norm = nn.utils.clip_grad_norm_(ours, 1.0)
    assert norm.item() == pytest.approx(300 * (3 * 4096) ** 0.5, rel=1e-3)
    assert ours[0].grad.to(fin.float32).numpy() == pytest.approx(1 / (3 * 4096) ** 0.5, rel=1e-2)
