# SPDX-License-Identifier: Apache-2.0
"""Attention as a function: values and gradients are PyTorch's, whatever the mask, the shape and the mode."""

import numpy as np
import pytest
from oracle import check, pair, rand, same, torch
from processes import run_python

import tinyfin as fin
from tinyfin.nn import functional as F

SDPA, TORCH_SDPA = F.scaled_dot_product_attention, torch.nn.functional.scaled_dot_product_attention


def inputs(*shape, keys=None, values=None):
    keys = (*shape[:-2], shape[-2] if keys is None else keys, shape[-1])
    return rand(*shape, seed=1), rand(*keys, seed=2), rand(*keys[:-1], values or shape[-1], seed=3)


def allowed(*shape, seed=4):
    """About two thirds of the keys take part; the first row has none."""
    mask = np.random.default_rng(seed).uniform(0, 1, shape) < 0.67
    mask[..., 0, :] = False
    return mask


SHAPES = {"one": (1, 1, 1, 1), "odd": (2, 3, 7, 5), "blocks and a row": (1, 2, 33, 8), "many blocks and a row": (1, 1, 129, 16), "rank 3": (3, 5, 4), "rank 2": (6, 4),
          "rank 5": (2, 1, 2, 5, 4)}


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_is_pytorchs(shape, is_causal, dtype, mode):
    arrays = inputs(*SHAPES[shape])
    check(lambda q, k, v: SDPA(q, k, v, is_causal=is_causal), lambda q, k, v: TORCH_SDPA(q, k, v, is_causal=is_causal), *arrays, dtype=dtype,
          scale=4 if dtype == "bfloat16" else 1)


@pytest.mark.parametrize("queries, keys, values", [(5, 9, 4), (9, 5, 4), (1, 33, 4), (33, 1, 4), (4, 4, 7)])
@pytest.mark.parametrize("is_causal", [False, True])
def test_other_numbers_of_keys_and_values(queries, keys, values, is_causal):
    check(lambda q, k, v: SDPA(q, k, v, is_causal=is_causal), lambda q, k, v: TORCH_SDPA(q, k, v, is_causal=is_causal),
          *inputs(2, 3, queries, 4, keys=keys, values=values))


@pytest.mark.parametrize("mask", [(7, 9), (1, 9), (2, 1, 7, 9), (2, 3, 7, 9), (2, 1, 1, 9), (1, 3, 7, 1)])
@pytest.mark.parametrize("kind", ["bool", "number", "mixed with -inf"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_masks_broadcast(mask, kind, dtype):
    takes_part = allowed(*mask)
    given = takes_part if kind == "bool" else rand(*mask, seed=5) if kind == "number" else np.where(takes_part, rand(*mask, seed=5), -np.inf)

    def cut(found, x):
        return found(given).to(x.dtype) if kind != "bool" else found(given)

    check(lambda q, k, v: SDPA(q, k, v, cut(fin.from_numpy, q)), lambda q, k, v: TORCH_SDPA(q, k, v, cut(torch.from_numpy, q)),
          *inputs(2, 3, 7, 4, keys=9), dtype=dtype)


def test_mask_that_is_trained():
    check(lambda q, k, v, m: SDPA(q, k, v, m), lambda q, k, v, m: TORCH_SDPA(q, k, v, m), *inputs(2, 3, 7, 4, keys=9), rand(3, 7, 9, seed=8))


def test_query_without_keys_gives_zeros_and_no_gradient():
    (q, k, v), mask = [pair(a, "float32", grad=True)[0] for a in inputs(1, 2, 5, 4)], fin.from_numpy(allowed(5, 5))
    y = SDPA(q, k, v, mask)
    assert (y.detach().numpy()[:, :, 0] == 0).all()
    y.sum().backward()
    for x in (q, k, v):
        assert np.isfinite(x.grad.numpy()).all()
    assert (q.grad.numpy()[:, :, 0] == 0).all()


def test_large_scores_do_not_overflow():
    q, k, v = (a * 300 for a in inputs(1, 2, 9, 8))
    check(SDPA, TORCH_SDPA, q, k, v, dtype="float64", scale=10)
    (y, t) = (f(*[pair(a, "float32")[i] for a in (q, k, v)]) for i, f in enumerate((SDPA, TORCH_SDPA)))
    same(y, t, scale=100)


def test_scale():
    check(lambda q, k, v: SDPA(q, k, v, scale=0.3), lambda q, k, v: TORCH_SDPA(q, k, v, scale=0.3), *inputs(2, 2, 5, 4))


def test_transposed_views_of_projections():
    def heads(x):
        return x.reshape(2, 6, 3, 4).transpose(1, 2)

    def whole(f):
        return lambda q, k, v: f(heads(q), heads(k), heads(v), is_causal=True).transpose(1, 2).reshape(2, 6, 12)

    check(whole(SDPA), whole(TORCH_SDPA), *[rand(2, 6, 12, seed=i) for i in range(3)])


def test_second_derivatives():
    arrays, weights = inputs(1, 2, 5, 4), rand(1, 2, 5, 4, seed=9)

    def loss(q, k, v, mix):
        y = (SDPA if isinstance(q, fin.Tensor) else TORCH_SDPA)(q, k, v, is_causal=True)
        return (y * mix).sum()

    ours, theirs = zip(*[pair(a, "float64", grad=True) for a in arrays], strict=True)
    mix, torch_mix = pair(weights, "float64")
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        wanted = torch.autograd.grad(loss(*theirs, torch_mix), theirs, create_graph=True)
        sum((g * g).sum() for g in wanted).backward()
    loss(*ours, mix).backward(create_graph=True)
    first = [x.grad for x in ours]
    for x in ours:
        x.grad = None
    sum((g * g).sum() for g in first).backward()
    for x, t in zip(ours, theirs, strict=True):
        same(x.grad, t.grad, scale=10)


def test_dropout_keeps_the_mean_and_its_gradient_sees_the_same_mask():
    q, k, v = [fin.from_numpy(a).to(fin.float32).requires_grad_() for a in inputs(8, 4, 16, 8)]
    plain = SDPA(q, k, v).mean().item()
    y = SDPA(q, k, v, dropout_p=0.3)
    assert abs(y.mean().item() - plain) < 0.05
    # The output is linear in v: its gradient must reproduce it.
    y.backward(fin.ones(tuple(y.shape)))
    assert abs((v.grad * v).sum().item() - y.sum().item()) < 1e-2 * (1 + abs(y.sum().item()))


def test_mask_beside_is_causal_is_an_error():
    q = fin.ones((1, 1, 2, 2))
    with pytest.raises(ValueError, match="found attn_mask and is_causal=True"):
        SDPA(q, q, q, fin.ones((2, 2)), is_causal=True)


@pytest.mark.parametrize("is_causal", [False, True])
def test_jit_and_eager_agree(is_causal):
    arrays = [a.astype("float32") for a in inputs(2, 3, 21, 8)]

    def step(q, k, v):
        y = SDPA(q, k, v, is_causal=is_causal)
        (y * y).sum().backward()
        return y

    def run(wrapped):
        leaves = [fin.from_numpy(a).requires_grad_() for a in arrays]
        for x in leaves:
            x.grad = None
        y = wrapped(*leaves)
        return [y.detach().numpy().copy(), *[x.grad.numpy().copy() for x in leaves]]

    jitted = fin.jit(step)
    wanted = run(step)
    for _ in range(4):
        for found, value in zip(run(jitted), wanted, strict=True):
            np.testing.assert_allclose(found, value, rtol=1e-5, atol=1e-5)


PACKED = {"permuted": lambda x: x.reshape(2, 6, 3, 3, 4).permute(2, 0, 3, 1, 4), "sliced": lambda x: [x[..., 12 * i:12 * (i + 1)].reshape(2, 6, 3, 4).transpose(1, 2) for i in range(3)],
          "picked": lambda x: [x.reshape(2, 6, 3, 3, 4)[:, :, i].transpose(1, 2) for i in range(3)]}
NOT_PACKED = {"swapped": lambda x: [PACKED["sliced"](x)[i] for i in (1, 0, 2)], "strided": lambda x: [x.reshape(2, 6, 3, 4, 3)[..., i].transpose(1, 2) for i in range(3)],
              "one twice": lambda x: [PACKED["sliced"](x)[i] for i in (0, 1, 1)], "detached": lambda x: PACKED["sliced"](x)[:2] + [PACKED["sliced"](x)[2].detach()]}


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("name", [*PACKED, *NOT_PACKED])
def test_parts_of_one_projection(name, is_causal, mode):
    parts = {**PACKED, **NOT_PACKED}[name]
    check(lambda x: SDPA(*parts(x * 1), is_causal=is_causal).transpose(1, 2).reshape(2, 6, 12), lambda x: TORCH_SDPA(*parts(x * 1), is_causal=is_causal).transpose(1, 2).reshape(2, 6, 12),
          rand(2, 6, 36))


@pytest.mark.parametrize("name", [*PACKED, *NOT_PACKED])
def test_only_parts_of_one_projection_are_read_packed(name):
    x = fin.from_numpy(rand(2, 6, 36)).requires_grad_()
    y = SDPA(*{**PACKED, **NOT_PACKED}[name](x * 1))
    before = y.grad_fn
    assert (before == "transpose") == (name in PACKED), before


def test_parts_of_one_projection_follow_its_writes():
    x, t = pair(rand(2, 6, 36))
    parts, torch_parts = PACKED["sliced"](x), PACKED["sliced"](t)
    x.mul_(2)
    t.mul_(2)
    same(SDPA(*parts), TORCH_SDPA(*torch_parts))


STEP = """
import numpy as np, tinyfin as fin
from tinyfin.nn import functional as F
x = fin.from_numpy(np.linspace(-1, 1, 2 * 8 * 36, dtype="float32").reshape(2, 8, 36)).requires_grad_()
@fin.jit
def step(x):
    q, k, v = x.reshape(2, 8, 3, 3, 4).permute(2, 0, 3, 1, 4)
    y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    y.square().sum().backward()
    return y, x.grad * 1
for _ in range(4):
    x.grad = None
    y, gradient = step(x)
with fin.profile() as profile:
    x.grad = None
    y, gradient = step(x)
print(sorted(row["name"] for row in profile.rows() if "attention" in row["name"]))
print(y.detach().numpy().sum(), np.abs(gradient.numpy()).sum())
"""


def test_whole_in_compiled_code_and_taken_apart_where_that_is_disabled():
    def run(disabled):
        return run_python(STEP, TINYFIN_DISABLE=disabled, TINYFIN_BACKEND="cpu").stdout.splitlines()

    whole, apart = run(""), run("whole-composites")
    assert whole[0] == "['fin.packed_attention', 'fin.packed_attention_grad']"
    assert apart[0] == "[]"
    np.testing.assert_allclose([float(x) for x in whole[1].split()], [float(x) for x in apart[1].split()], rtol=1e-5)


def test_exported_graph_is_decoded_whole(tmp_path):
    path = tmp_path / "attention.mlir"
    arrays = [a.astype("float32") for a in inputs(2, 3, 7, 4)]
    fin.export(lambda q, k, v: SDPA(q, k, v, is_causal=True), [fin.from_numpy(a) for a in arrays], path, dynamic={0: {0: "N"}, 1: {0: "N"}, 2: {0: "N"}})
    assert "fin.attention" in path.read_text()
