# SPDX-License-Identifier: Apache-2.0
"""Arguments of the wrong type or value: one sentence with what was found and wanted, at the user's line. More in test_semantics_errors.py."""
import traceback

import numpy as np
import pytest

import tinyfin as fin
from tinyfin import nn, optim
from tinyfin.nn import functional as F


def parameter():
    return nn.Parameter(fin.ones((2, 3)))


X = fin.ones((2, 3))
MISTAKES = {
    "method": (lambda: X.transpose("a", 1), TypeError, r"^transpose: found \(str, int\), wanted \(int, int\)$"),
    "keyword": (lambda: X.sum(keepdim="a"), TypeError, r"^sum: found \(keepdim=str\), wanted \(dim = None, keepdim: bool = False"),
    "count": (lambda: X.tolist(3), TypeError, r"^tolist: found \(int\), wanted \(\)$"),
    "function": (lambda: fin.cat(3), TypeError, r"^cat: found \(int\), wanted \(tensors: Iterable, dim: int = 0\)$"),
    "property": (lambda: setattr(X, "requires_grad", "a"), TypeError, r"^requires_grad: found \(str\), wanted \(bool\)$"),
    "array": (lambda: fin.from_numpy([1, 2]), TypeError, r"^from_numpy: found \(list\)"),
    "integers": (lambda: fin.tensor([1, 2]) & 1, TypeError, "booleans: found int64"),
    "inverse": (lambda: ~fin.tensor([1, 2]), TypeError, "booleans: found int64"),
    "iteration": (lambda: list(fin.tensor(1.0)), TypeError, "0-d"),
    "raw attribute": (lambda: fin.ops.sum(X, "a", True), TypeError, "^axes: found str, wanted a sequence of ints$"),
    "gradient": (lambda: fin.grad(3, [X]), TypeError, "^grad: found int"),
    "seed": (lambda: fin.manual_seed(2**80), ValueError, "^manual_seed: found 1208"),
    "mode": (lambda: fin.eager_mode("lazy"), ValueError, "'lazy'"),
    "autocast": (lambda: fin.autocast(dtype=fin.int64), ValueError, "int64"),
    "dlpack": (lambda: fin.from_dlpack(3), TypeError, "found int"),
    "path": (lambda: fin.save(X, 3), TypeError, "^path: found int"),
    "absent file": (lambda: fin.load("/nonexistent/model"), FileNotFoundError, "nonexistent"),
    "kernel": (lambda: nn.Conv2d(3, 4, 0), ValueError, "^kernel_size: found 0, wanted 1 or more$"),
    "bias": (lambda: F.conv2d(fin.ones((1, 2, 5, 5)), fin.ones((1, 2, 3, 3)), fin.ones(7)), ValueError, r"bias of shape \(7,\), wanted \(1,\)"),
    "statistics": (lambda: F.batch_norm(X, None, None, fin.ones(3), fin.ones(3)), ValueError, "running statistics"),
    "probability": (lambda: F.dropout(X, "a"), ValueError, "found a, wanted a number"),
    "integer parameter": (lambda: nn.Parameter(3), RuntimeError, "int64"),
    "initialization": (lambda: nn.init.uniform_(3), TypeError, "found int, wanted a Tensor"),
    "state": (lambda: nn.Linear(2, 2).load_state_dict(3), TypeError, "found int, wanted a dict"),
    "optimizer state": (lambda: optim.Adam([parameter()]).load_state_dict({}), ValueError, "param_groups"),
    "rate": (lambda: optim.SGD([parameter()], lr="a"), ValueError, "^lr: found 'a', wanted 0 or more$"),
    "betas": (lambda: optim.Adam([parameter()], betas=3), ValueError, "^betas: found 3"),
    "schedule": (lambda: optim.lr_scheduler.StepLR(3, 1), TypeError, "found int, wanted an Optimizer"),
    "step size": (lambda: optim.lr_scheduler.StepLR(optim.SGD([parameter()], lr=1.0), 0), ValueError, "step_size: found 0"),
    "variants": (lambda: fin.jit(len, max_recompiles="a"), ValueError, "max_recompiles: found 'a'"),
    "static names": (lambda: fin.jit(len, static_argnames=3), TypeError, "static_argnames: found 3"),
    "jit arguments": (lambda: fin.jit(lambda x: x)(), TypeError, "missing 1"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence_at_the_users_line(name):
    act, kind, words = MISTAKES[name]
    with pytest.raises(kind, match=words) as caught:
        act()
    innermost = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert innermost.filename == __file__, f"ends in {innermost.filename}:{innermost.lineno}"
    assert "\n" not in str(caught.value)


def test_a_mistake_in_a_jitted_body_ends_in_the_body():
    def body(x):
        return x @ x

    with pytest.raises(ValueError, match="inner dimensions differ") as caught:
        fin.jit(body)(X)
    assert traceback.extract_tb(caught.value.__traceback__)[-1].name == "body"


OPERATORS = {"add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b, "pow": lambda a, b: a**b,
             "less": lambda a, b: a < b, "equal": lambda a, b: a == b, "matmul": lambda a, b: a @ b}


@pytest.mark.parametrize("name", OPERATORS)
def test_beside_numpy_a_tensor_stays_a_tensor(name):
    array = np.full((3, 3), 2.0, "float32")
    ours = fin.full((3, 3), 3.0, dtype=fin.float32).requires_grad_(True)
    operator = OPERATORS[name]
    for found, wanted in ((operator(ours, array), operator(ours.numpy(), array)), (operator(array, ours), operator(array, ours.numpy()))):
        assert isinstance(found, fin.Tensor)
        np.testing.assert_array_equal(found.detach().numpy(), wanted)
        assert found.requires_grad == (name not in ("less", "equal"))


def test_numpy_numbers_on_the_left_keep_the_gradient():
    x = parameter()
    (np.float64(3) * x - np.float32(1) / x).sum().backward()
    assert x.grad.tolist() == [[4.0] * 3] * 2
    assert (np.float64(3) * x).dtype == fin.float32


def test_layers_without_inputs_start_with_zeros():
    layer = nn.Linear(0, 2)
    assert layer(fin.ones((3, 0))).tolist() == [[0.0, 0.0]] * 3
