# SPDX-License-Identifier: Apache-2.0
"""fin.export and the stages of jit: graphs that other programs run, and no state touched on the way."""
import pathlib
import re

import numpy as np
import pytest
import tinyfin as fin
from processes import run
from tinyfin import nn, optim

BIN = pathlib.Path(fin._core.__file__).resolve().parents[2] / "bin"


def run_tool(name, *args):
    return run(BIN / name, *args, returncode=None)


def small_cnn():
    fin.manual_seed(3)
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 5))


def test_exported_module_computes_the_same(tmp_path):
    model = small_cnn().eval()
    path = tmp_path / "m.mlir"
    x = np.random.default_rng(0).standard_normal((3, 1, 8, 8)).astype("float32")
    fin.export(model, (fin.tensor(x),), path, dynamic={0: {0: "N"}})
    np.save(tmp_path / "x.npy", x)
    done = run_tool("tinyfin-run", path, "--dim", "N=3", f"--input=@{tmp_path / 'x.npy'}", f"--output=0=@{tmp_path / 'y.npy'}")
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), model(fin.tensor(x)).numpy(), rtol=1e-5, atol=1e-5)


def test_names_and_symbolic_dims_are_in_the_graph(tmp_path):
    path = tmp_path / "f.mlir"

    def scale(features, factor):
        return {"scaled": features * factor}

    fin.export(scale, (fin.ones(2, 3), fin.ones(3)), path, dynamic={"features": {0: "batch"}})
    text = path.read_text()
    assert re.search(r'fin.name = "features"', text) and '"batch"' in text and 'fin.name = "scaled"' in text


def test_export_of_a_training_step_touches_no_state(tmp_path):
    model = small_cnn()
    opt = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def step(x, y):
        opt.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        opt.step()
        return loss

    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    fin.export(step, (fin.zeros(2, 1, 8, 8), fin.zeros(2, dtype=fin.int64)), tmp_path / "step.mlir")
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name])
    assert all(p.grad is None for p in model.parameters())
    done = run_tool("tinyfin-run", tmp_path / "step.mlir", "--verify")
    assert done.returncode == 0, done.stdout + done.stderr


def test_data_dependence_is_refused_with_a_reason(tmp_path):
    state = fin.zeros(2)

    def body(x):
        state.add_(1)
        return x if x.sum().item() > 0 else -x

    with pytest.raises(RuntimeError, match="item"):
        fin.export(body, (fin.ones(2),), tmp_path / "f.mlir")
    assert not (tmp_path / "f.mlir").exists()
    assert state.tolist() == [0, 0]


@pytest.mark.parametrize("dynamic, message", [({3: {0: "N"}}, "wanted an index below 1"), ({0: {5: "N"}}, "out of range"), ({0: {0: "4N!"}}, "name of a dim")])
def test_wrong_dynamic_is_named(tmp_path, dynamic, message):
    with pytest.raises(ValueError, match=message):
        fin.export(lambda x: x + 1, (fin.ones(2),), tmp_path / "f.mlir", dynamic=dynamic)


def test_stages_show_the_graph_without_running_it():
    calls = fin.zeros(1)

    @fin.jit
    def f(x):
        calls.add_(1)
        return nn.functional.softmax(x, dim=-1)

    traced = f.trace(fin.ones(4, 8))
    assert "fin.softmax" in traced.as_text()
    assert "fin.arena_bytes" in traced.lower().as_text()  # planned, whatever the backend fuses
    assert calls.item() == 0
    assert traced.compile()(fin.ones(4, 8)).shape == (4, 8)
    assert calls.item() == 1
