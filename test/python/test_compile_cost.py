# SPDX-License-Identifier: Apache-2.0
"""What compiling costs and says: phases by name, kernel stages in files, kernels shared by equal layers."""

import numpy as np
import pytest
import tinyfin as fin
from processes import run_python
from tinyfin import nn, optim

FRESH = """
import tinyfin as fin
x = fin.randn(64, 33)
step = fin.jit(lambda x: (x.exp() * 3 + 1).sum(-1))
for _ in range(2):
    step(x).numpy()
"""


def fresh_process(**environment):
    return run_python(FRESH, **environment).stderr


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm, self.query, self.value = nn.LayerNorm(width), nn.Linear(width, width), nn.Linear(width, width)
        self.up, self.down, self.gelu = nn.Linear(width, 2 * width), nn.Linear(2 * width, width), nn.GELU()

    def forward(self, x):
        h = self.norm(x)
        q, v = self.query(h), self.value(h)
        x = x + ((q @ h.transpose(-2, -1)) * 0.125).softmax(-1) @ v
        return x + self.down(self.gelu(self.up(x)))


def transformer_step(layers, width=32):
    model = nn.Sequential(*[Block(width) for _ in range(layers)], nn.Linear(width, 10))
    optimizer = optim.AdamW(model.parameters(), lr=1e-3)
    x = fin.from_numpy(np.random.default_rng(0).standard_normal((4, 16, width)).astype("float32"))
    y = fin.from_numpy(np.arange(64) % 10)

    @fin.jit
    def step():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x).reshape(64, 10), y)
        loss.backward()
        optimizer.step()
        return loss
    return step


def record_of(layers):
    step = transformer_step(layers)
    step().item()
    step().item()
    (record,) = step.explain()
    return record


LARGE = """
import numpy as np
import tinyfin as fin
from tinyfin import nn
model = nn.Sequential(nn.Linear(64, 128), nn.GELU(), nn.LayerNorm(128), nn.Linear(128, 96), nn.Tanh(), nn.Linear(96, 10))
update = fin.optim.AdamW(model.parameters(), lr=1e-3)
x, y = fin.from_numpy(np.ones((32, 64), "float32")), fin.from_numpy(np.arange(32) % 10)

@fin.jit
def step():
    update.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    update.step()
    return loss
step().item()
assert step.explain()[0]["new_kernels"] > 8
"""


@pytest.mark.parametrize("script, disabled, returns", [(LARGE, "", True), (LARGE, "return-freed", False), (FRESH, "", False)])
def test_what_a_large_compilation_freed_goes_back_to_the_system(script, disabled, returns):
    done = run_python(script, TINYFIN_LOG="memory", TINYFIN_DISABLE=disabled)
    assert ("returned freed memory" in done.stderr) == returns


CHAIN = """
import tinyfin as fin
def chain(x):
    y = x
    for _ in range(LENGTH):
        y = y + x
    return y
step = fin.jit(chain)
assert step(fin.full((64, 33), 1.0)).numpy()[0, 0] == LENGTH + 1
print("warm-up" in step.explain()[0]["kernel_times"])
"""


@pytest.mark.parametrize("length, disabled, warms", [(1100, "", True), (1100, "warm-compilers", False), (50, "", False)])
def test_compilers_get_ready_while_the_passes_of_a_large_graph_run(length, disabled, warms):
    done = run_python(CHAIN.replace("LENGTH", str(length)), TINYFIN_DISABLE=disabled, TINYFIN_COMPILE_THREADS="3")
    assert done.stdout.strip() == str(warms)


def test_the_log_has_a_line_a_compilation():
    lines = [line for line in fresh_process(TINYFIN_LOG="compile").splitlines() if "cpu executable in" in line]
    assert len(lines) == 1
    assert "kernels " in lines[0] and "generate " in lines[0] and "different" in lines[0]
    assert "executable" not in fresh_process()


def test_explain_has_the_time_of_each_phase():
    record = record_of(1)
    times = record["compile_times"]
    assert {"decode", "canonicalize", "cse", "fuse-regions", "plan-memory", "kernels"} <= set(times)
    assert sum(times.values()) == pytest.approx(record["compile_ms"], rel=1e-3)
    assert record["code_bytes"] > 0 and 0 < record["unique_kernels"] <= record["kernels"]


def test_a_dump_has_every_stage_of_a_kernel(tmp_path):
    fresh_process(TINYFIN_DUMP=str(tmp_path))
    files = sorted(tmp_path.iterdir())
    assert any("fuse-regions" in file.name for file in files)
    stages = {ending: [f for f in files if f.name.endswith("kernel" + ending)] for ending in (".mlir", ".ll", ".s")}
    assert stages[".mlir"] and len({len(found) for found in stages.values()}) == 1
    assert "vector<" in stages[".mlir"][0].read_text()
    assert "define " in stages[".ll"][0].read_text()
    assert ".text" in stages[".s"][0].read_text()


def test_equal_layers_share_their_kernels():
    two, four = record_of(2), record_of(4)
    assert four["kernels"] > 1.5 * two["kernels"]
    assert four["unique_kernels"] == two["unique_kernels"]
    # The second graph found what the first one had made, but for the end that differs.
    assert four["new_kernels"] == 0
