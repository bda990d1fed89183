# SPDX-License-Identifier: Apache-2.0
"""Comparison with PyTorch: the same inputs through both libraries, values and gradients compared."""
import numpy as np
import pytest

import tinyfin as fin

torch = pytest.importorskip("torch", reason="PyTorch, the oracle, is not installed (TINYFIN_ORACLES=1 tools/test installs it)")
torch.set_num_threads(2)

DTYPES = {"float32": (fin.float32, torch.float32), "float64": (fin.float64, torch.float64), "int64": (fin.int64, torch.int64),
          "int32": (fin.int32, torch.int32), "int8": (fin.int8, torch.int8), "uint8": (fin.uint8, torch.uint8),
          "bool": (fin.bool_, torch.bool), "bfloat16": (fin.bfloat16, torch.bfloat16), "float16": (fin.float16, torch.float16)}
TOLERANCES = {torch.float32: 2e-5, torch.float64: 1e-11, torch.bfloat16: 2e-2, torch.float16: 2e-3}


def rand(*shape, seed=0, low=-2.0, high=2.0, dtype="float64"):
    """Reproducible values in [low, high)."""
    return np.random.default_rng([seed, *shape]).uniform(low, high, shape).astype(dtype)


def pair(array, dtype=None, grad=False):
    """(tinyfin tensor, torch tensor) of the same values."""
    array = np.asarray(array, order="C")
    ours, theirs = fin.from_numpy(array), torch.from_numpy(array.copy())
    if dtype is not None:
        ours, theirs = ours.to(DTYPES[dtype][0]), theirs.to(DTYPES[dtype][1])
    if grad:
        ours.requires_grad_(True)
        theirs.requires_grad_(True)
    return ours, theirs


def same(ours, theirs, tolerance=None, scale=1.0):
    """Asserts equal dtype, shape and values (NaN equals NaN)."""
    assert DTYPES[str(theirs.dtype).removeprefix("torch.")][0] == ours.dtype, f"found {ours.dtype}, wanted {theirs.dtype}"
    assert tuple(ours.shape) == tuple(theirs.shape), f"found shape {tuple(ours.shape)}, wanted {tuple(theirs.shape)}"
    if tolerance is None:
        tolerance = TOLERANCES.get(theirs.dtype, 0) * scale
    wide = fin.float64 if theirs.dtype.is_floating_point else ours.dtype
    found = ours.detach().to(wide).numpy()
    wanted = theirs.detach().to(torch.float64).numpy() if theirs.dtype.is_floating_point else theirs.numpy()
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


def check(f, g, *arrays, dtype="float64", grad=True, scale=1.0):
    """f over tinyfin tensors and g over torch tensors agree in result and, by a random cotangent, in every gradient."""
    pairs = [pair(a, dtype if np.issubdtype(np.asarray(a).dtype, np.floating) else None,
                  grad and np.issubdtype(np.asarray(a).dtype, np.floating)) for a in arrays]
    ours, theirs = f(*[p[0] for p in pairs]), g(*[p[1] for p in pairs])
    same(ours, theirs, scale=scale)
    if not grad or not theirs.requires_grad:
        assert not ours.requires_grad
        return
    cotangent, torch_cotangent = pair(rand(*theirs.shape, seed=99), str(theirs.dtype).removeprefix("torch."))
    ours.backward(cotangent)
    theirs.backward(torch_cotangent)
    for x, t in pairs:
        if t.requires_grad:
            assert (x.grad is None) == (t.grad is None)
            if t.grad is not None:
                same(x.grad, t.grad, scale=scale * 4)
