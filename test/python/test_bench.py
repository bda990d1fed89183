# SPDX-License-Identifier: Apache-2.0
"""tools/bench: the marks of its table, and that all libraries get the same networks."""
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "benchmarks"))
import bars  # noqa: E402
import steps  # noqa: E402
import table  # noqa: E402
import with_tinyfin  # noqa: E402
import workloads as w  # noqa: E402


def seconds(value, losses=(1.0,), **more):
    return {"seconds": value, "losses": list(losses), "setting": "4 threads", **more}


def ratio(results, checks=((bars.BEST, 1.1, 1.6),)):
    return steps.ratio_rows("x", results, "tinyfin jit", checks, "f32")[0]


def test_the_ratio_is_to_the_fastest_peer():
    row = ratio({"torch": seconds(4.0), "jax": seconds(3.0), "tinyfin jit": seconds(2.0)})
    assert row["value"] == 1.5 and row["met"] and not row["aimed"]
    assert bars.marks(row) == ("ok", "-")


def test_a_named_peer_counts_in_all_its_modes():
    results = {"torch": seconds(4.0), "torch.compile": seconds(3.0), "jax": seconds(1.0), "tinyfin jit": seconds(1.0)}
    assert ratio(results, [("torch", 2, 5)])["value"] == 3.0


@pytest.mark.parametrize("ours", [seconds(1.0, (1.1,)), seconds(1.0, demoted=["line 3 observes"]), seconds(1.0, (float("nan"),))])
def test_other_losses_or_eager_code_meet_no_must(ours):
    row = ratio({"torch": seconds(4.0), "tinyfin jit": ours})
    assert row["value"] is None and row["met"] is False and row["note"]


def test_what_failed_meets_no_must():
    row = ratio({"torch": seconds(4.0)})
    assert row["met"] is False and "x" in table.verdict([row]) and table.figure(row["value"], "x") == "failed"


def test_less_is_better_where_it_is():
    row = bars.row("memory", "m", 0.5, "x", (0.8, 0.45))
    assert row["met"] and not row["aimed"] and table.limit(row, "must") == "<= 0.80x"


def test_markdown_has_a_line_a_row_and_names_no_host():
    text = table.markdown([bars.row("steps", "some step", 1.2, "x", (1.1, 1.6), True)], 4)
    assert "| some step | 1.20x | >= 1.10x ok | >= 1.60x - |" in text
    import platform
    assert platform.node() not in text


@pytest.mark.parametrize("name", ["tiny-mlp", "lenet5", "resnet18", "gpt-mini", "bert-mini", "minilm-b1s16"])
def test_starting_weights_are_those_of_the_network(name):
    found = {key: tuple(value.shape) for key, value in with_tinyfin.network(name).state_dict().items()}
    extra = {key for key in found if key.endswith(("running_mean", "running_var", "num_batches_tracked"))}
    assert {key: shape for key, shape in found.items() if key not in extra} == w.shapes_of(name)


@pytest.mark.parametrize("name", [*w.TRAINING, *w.INFERENCE])
def test_every_workload_has_a_bar(name):
    assert (name, "f32") in bars.STEPS


def test_what_was_measured_is_written_before_the_next_job(tmp_path, monkeypatch):
    import bench
    path = tmp_path / "rows.json"
    done = [lambda: [bars.row("steps", "first", 1.0, "x")], lambda: pytest.fail("stopped")]
    monkeypatch.setattr(bench, "jobs", lambda options: done)
    monkeypatch.setattr(sys, "argv", ["bench.py", "--json", str(path)])
    with pytest.raises(pytest.fail.Exception):
        bench.main()
    assert '"first"' in path.read_text()
