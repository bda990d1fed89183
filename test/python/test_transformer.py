# SPDX-License-Identifier: Apache-2.0
"""MultiheadAttention and the encoder layers: with PyTorch's state they give PyTorch's outputs, weights and gradients."""
import numpy as np
import pytest
from oracle import DTYPES, pair, rand, same, torch

import tinyfin as fin
from tinyfin import nn

WIDTH, HEADS, BATCH, LENGTH = 12, 3, 2, 5


def twins(make, dtype="float64"):
    """The same module in both libraries, with the same state."""
    ours, theirs = make(nn), make(torch.nn)
    ours.to(DTYPES[dtype][0])
    theirs.to(DTYPES[dtype][1])
    state = {name: torch.from_numpy(rand(*value.shape, seed=i, low=-0.6, high=0.6)).to(value.dtype) for i, (name, value) in enumerate(theirs.state_dict().items())}
    theirs.load_state_dict(state)
    result = ours.load_state_dict({name: fin.from_numpy(value.numpy()) for name, value in state.items()})
    assert not result.missing_keys and not result.unexpected_keys
    return ours, theirs


def compare(ours, theirs, y, u, leaves):
    same(y, u, scale=10)
    cotangent, torch_cotangent = pair(rand(*u.shape, seed=7), str(u.dtype).removeprefix("torch."))
    y.backward(cotangent)
    u.backward(torch_cotangent)
    for x, t in leaves:
        same(x.grad, t.grad, scale=50)
    for (name, p), (torch_name, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        assert name == torch_name
        same(p.grad, q.grad, scale=50)


def tensors(*shapes, dtype="float64"):
    return [pair(rand(*shape, seed=20 + i), dtype, grad=True) for i, shape in enumerate(shapes)]


def both(array):
    return fin.from_numpy(array), torch.from_numpy(array)


PADDING = np.arange(LENGTH) >= np.array([[LENGTH], [3]])  # True: left out
CAUSAL = np.triu(np.ones((LENGTH, LENGTH), dtype=bool), 1)
MASKS = {"none": {}, "causal": {"attn_mask": CAUSAL}, "padding": {"key_padding_mask": PADDING}, "both": {"attn_mask": CAUSAL, "key_padding_mask": PADDING},
         "numbers": {"attn_mask": rand(LENGTH, LENGTH, seed=5)}, "a head": {"attn_mask": rand(BATCH * HEADS, LENGTH, LENGTH, seed=5)},
         "numbers and padding": {"attn_mask": rand(LENGTH, LENGTH, seed=5), "key_padding_mask": np.where(PADDING, -np.inf, 0.0)}}


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("mask", MASKS)
def test_self_attention(mask, batch_first, need_weights, mode):
    ours, theirs = twins(lambda n: n.MultiheadAttention(WIDTH, HEADS, batch_first=batch_first))
    (x, t), = tensors((BATCH, LENGTH, WIDTH) if batch_first else (LENGTH, BATCH, WIDTH))
    masks = {name: both(array) for name, array in MASKS[mask].items()}
    y, weights = ours(x, x, x, need_weights=need_weights, **{name: m[0] for name, m in masks.items()})
    u, torch_weights = theirs(t, t, t, need_weights=need_weights, **{name: m[1] for name, m in masks.items()})
    assert (weights is None) == (torch_weights is None)
    if need_weights:
        same(weights, torch_weights, scale=10)
    compare(ours, theirs, y, u, [(x, t)])


def test_weights_of_each_head():
    ours, theirs = twins(lambda n: n.MultiheadAttention(WIDTH, HEADS, batch_first=True))
    (x, t), = tensors((BATCH, LENGTH, WIDTH))
    same(ours(x, x, x, average_attn_weights=False)[1], theirs(t, t, t, average_attn_weights=False)[1], scale=10)


def test_input_without_a_batch():
    ours, theirs = twins(lambda n: n.MultiheadAttention(WIDTH, HEADS))
    (x, t), = tensors((LENGTH, WIDTH))
    y, weights = ours(x, x, x)
    u, torch_weights = theirs(t, t, t)
    same(weights, torch_weights, scale=10)
    compare(ours, theirs, y, u, [(x, t)])


@pytest.mark.parametrize("sizes", [{}, {"kdim": 7, "vdim": 9}, {"bias": False}])
def test_attention_to_another_sequence(sizes):
    ours, theirs = twins(lambda n: n.MultiheadAttention(WIDTH, HEADS, batch_first=True, **sizes))
    leaves = tensors((BATCH, LENGTH, WIDTH), (BATCH, 7, sizes.get("kdim", WIDTH)), (BATCH, 7, sizes.get("vdim", WIDTH)))
    y, u = ours(*[x for x, _ in leaves], need_weights=False)[0], theirs(*[t for _, t in leaves], need_weights=False)[0]
    compare(ours, theirs, y, u, leaves)


@pytest.mark.parametrize("need_weights", [False, True])
def test_is_causal_alone_is_the_causal_mask(need_weights):
    ours, _ = twins(lambda n: n.MultiheadAttention(WIDTH, HEADS, batch_first=True))
    x = tensors((BATCH, LENGTH, WIDTH))[0][0]
    alone, masked = (ours(x, x, x, need_weights=need_weights, **how)[0] for how in ({"is_causal": True}, {"attn_mask": fin.from_numpy(CAUSAL)}))
    np.testing.assert_allclose(alone.detach().numpy(), masked.detach().numpy(), rtol=1e-12, atol=1e-12)
    padding = fin.from_numpy(PADDING)
    alone, masked = (ours(x, x, x, need_weights=need_weights, key_padding_mask=padding, **how)[0] for how in ({"is_causal": True}, {"attn_mask": fin.from_numpy(CAUSAL)}))
    np.testing.assert_allclose(alone.detach().numpy(), masked.detach().numpy(), rtol=1e-12, atol=1e-12)


def test_embed_dim_that_heads_do_not_divide_is_an_error():
    with pytest.raises(ValueError, match="found embed_dim 10 and num_heads 3"):
        nn.MultiheadAttention(10, 3)


LAYERS = {"relu": {}, "gelu first": {"activation": "gelu", "norm_first": True}, "no bias": {"bias": False, "layer_norm_eps": 1e-3}, "sequence first": {"batch_first": False}}


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_encoder_layer(name, train, masked, mode):
    options = {"batch_first": True, "dropout": 0.0, **LAYERS[name]}
    ours, theirs = twins(lambda n: n.TransformerEncoderLayer(WIDTH, HEADS, 20, **options))
    ours.train(train)
    theirs.train(train)
    (x, t), = tensors((BATCH, LENGTH, WIDTH) if options["batch_first"] else (LENGTH, BATCH, WIDTH))
    (padding, torch_padding), (mask, torch_mask) = both(PADDING), both(CAUSAL)
    ours_masks, torch_masks = ({"src_mask": mask, "src_key_padding_mask": padding}, {"src_mask": torch_mask, "src_key_padding_mask": torch_padding}) if masked else ({}, {})
    compare(ours, theirs, ours(x, **ours_masks), theirs(t, **torch_masks), [(x, t)])


def encoder(n):
    layer = n.TransformerEncoderLayer(WIDTH, HEADS, 20, dropout=0.0, activation="gelu", batch_first=True)
    extra = {} if n is nn else {"enable_nested_tensor": False}
    return n.TransformerEncoder(layer, 2, n.LayerNorm(WIDTH), **extra)


def test_encoder():
    ours, theirs = twins(encoder)
    (x, t), = tensors((BATCH, LENGTH, WIDTH))
    (padding, torch_padding), (mask, torch_mask) = both(PADDING), both(CAUSAL)
    compare(ours, theirs, ours(x, mask, padding), theirs(t, torch_mask, torch_padding), [(x, t)])


def test_training_with_dropout_differs_from_evaluation():
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 20, dropout=0.4, batch_first=True)
    x = fin.from_numpy(rand(BATCH, LENGTH, WIDTH, dtype="float32"))
    first, second = layer(x).detach().numpy().copy(), layer(x).detach().numpy().copy()
    assert not np.allclose(first, second)
    layer.eval()
    np.testing.assert_array_equal(layer(x).detach().numpy(), layer(x).detach().numpy())


def test_jitted_training_step_is_pytorch():
    ours, theirs = twins(encoder, "float32")
    a, b = fin.optim.AdamW(ours.parameters(), lr=1e-3), torch.optim.AdamW(theirs.parameters(), lr=1e-3)

    @fin.jit(fullgraph=True)
    def step(x, y):
        a.zero_grad()
        loss = nn.functional.mse_loss(ours(x, is_causal=True), y)
        loss.backward()
        a.step()
        return loss

    causal = torch.from_numpy(CAUSAL)
    for i in range(5):
        (x, t), (y, u) = (pair(rand(BATCH, LENGTH, WIDTH, seed=i + s, dtype="float32")) for s in (0, 50))
        loss = step(x, y)
        b.zero_grad()
        wanted = torch.nn.functional.mse_loss(theirs(t, causal), u)
        wanted.backward()
        b.step()
        np.testing.assert_allclose(loss.item(), wanted.item(), rtol=1e-4)
