# SPDX-License-Identifier: Apache-2.0
"""fin.jit(autotune=True): contractions are tried when the graph is compiled; results stay what they are."""

import numpy as np
import pytest
from oracle import rand
from processes import run_python

import tinyfin as fin
from tinyfin import nn, optim


def product(**options):
    return fin.jit(lambda a, b: (a @ b).relu(), **options)


def operands(rows=192, inner=160, columns=224):
    return [fin.from_numpy(rand(*shape, seed=i, dtype="float32")) for i, shape in enumerate([(rows, inner), (inner, columns)])]


def test_trials_are_made_on_request_and_explained():
    a, b = operands(512, 320, 448)  # too large for a generated kernel: only cuts are tried
    tuned, plain = product(autotune=True), product()
    expected = np.maximum(a.numpy().astype("float64") @ b.numpy().astype("float64"), 0)
    for _ in range(3):
        for step in (tuned, plain):
            np.testing.assert_allclose(step(a, b).numpy(), expected, rtol=1e-4, atol=1e-4)
    (record,) = tuned.explain()
    assert "512x448x320" in "".join(record["autotuned"]) and "(taken)" in "".join(record["autotuned"]), record
    assert record["compile_times"]["autotune"] > 0
    (record,) = plain.explain()
    assert not record["autotuned"] and "autotune" not in record["compile_times"]


def test_a_shape_is_tried_once():
    a, b = operands(rows=208)
    times = []
    for body in (lambda a, b: (a @ b).relu(), lambda a, b: (a @ b).relu() * a.sum()):
        step = fin.jit(body, autotune=True)
        step(a, b).numpy()
        times.append(step.explain()[0]["compile_times"]["autotune"])
    assert times[1] < times[0] / 4


def test_small_products_are_tried_in_both_forms():
    a, b = operands(32, 64, 48)
    step = fin.jit(lambda a, b: a @ b, autotune=True)
    np.testing.assert_allclose(step(a, b).numpy(), a.numpy() @ b.numpy(), rtol=1e-4, atol=1e-5)
    assert any("generated" in line and "plan" in line for line in step.explain()[0]["autotuned"])


@pytest.mark.parametrize("channels", [3, 32])
def test_a_training_step_with_convolutions_gives_the_same_losses(channels):
    def losses(autotune):
        fin.manual_seed(2)
        model = nn.Sequential(nn.Conv2d(channels, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1), nn.Flatten(), nn.Linear(32 * 256, 10))
        update = optim.SGD(model.parameters(), lr=0.01)
        x = fin.from_numpy(rand(8, channels, 16, 16, seed=1, dtype="float32"))
        y = fin.from_numpy(np.arange(8) % 10)

        @fin.jit(autotune=autotune)
        def step():
            update.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            update.step()
            return loss
        found = [step().item() for _ in range(4)]
        return found, step.explain()[0]
    plain, _ = losses(False)
    tuned, record = losses(True)
    np.testing.assert_allclose(tuned, plain, rtol=1e-4)
    assert any(line.startswith("conv2d") for line in record["autotuned"])


def test_the_mode_is_part_of_the_key():
    a, b = operands(rows=176)
    before = fin.cache_info()["entries"]
    for autotune in (True, False, True):
        product(autotune=autotune)(a, b).numpy()
    assert fin.cache_info()["entries"] == before + 2


SCRIPT = """
import numpy as np
import tinyfin as fin
a = fin.from_numpy(np.ones((128, 64), "float32"))
step = fin.jit(lambda a: (a @ a.transpose(0, 1)).sum(){options})
assert step(a).item() == 128 * 128 * 64
print(len(step.explain()[0]["autotuned"]))
"""


@pytest.mark.parametrize("options, environment, tries", [
    ("", {}, False), ("", {"TINYFIN_AUTOTUNE": "1"}, True), (", autotune=False", {"TINYFIN_AUTOTUNE": "1"}, False),
    (", autotune=True", {"TINYFIN_DETERMINISTIC": "1"}, False)])
def test_the_setting_is_the_default_and_deterministic_mode_tries_nothing(options, environment, tries):
    done = run_python(SCRIPT.replace("{options}", options), clean=True, TINYFIN_TUNE_CACHE="0", **environment)
    assert (int(done.stdout) > 0) == tries


def test_the_log_has_a_line_a_trial():
    done = run_python(SCRIPT.replace("{options}", ", autotune=True"), TINYFIN_LOG="compile")
    assert sum("autotune: matmul" in line for line in done.stderr.splitlines()) == int(done.stdout)


def run_with_log(folder):
    """Trials of a process, and its lines about them."""
    done = run_python(SCRIPT.replace("{options}", ", autotune=True"), TINYFIN_LOG="compile", TINYFIN_TUNE_CACHE=str(folder))
    assert int(done.stdout) > 0
    lines = [line for line in done.stderr.splitlines() if "autotune: " in line]
    return sum("autotune: matmul" in line for line in lines), lines


def test_another_process_takes_what_one_chose(tmp_path):
    assert run_with_log(tmp_path / "cache")[0] > 0
    (file,) = (tmp_path / "cache").iterdir()
    trials, lines = run_with_log(tmp_path / "cache")
    assert trials == 0 and any(str(file) in line for line in lines)
    file.write_bytes(file.read_bytes()[:-10])
    trials, lines = run_with_log(tmp_path / "cache")
    assert trials > 0 and sum("ignored" in line for line in lines) == 1
    assert run_with_log(tmp_path / "cache")[0] == 0


def test_a_folder_that_cannot_be_made_costs_a_line(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    for _ in range(2):
        trials, lines = run_with_log(tmp_path / "file")
        assert trials > 0 and sum("choices are not kept" in line for line in lines) == 1


def test_keeping_choices_can_be_switched_off(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert run_with_log(0)[0] > 0
    assert not list(tmp_path.iterdir())
    assert run_with_log("auto")[0] > 0
    assert [file.name.startswith("autotune-") for file in (tmp_path / "tinyfin").iterdir()] == [True]


def test_a_wrong_value_is_named():
    with pytest.raises(ValueError, match="jit: autotune: found 'max', wanted True, False or None"):
        fin.jit(lambda x: x, autotune="max")
