# SPDX-License-Identifier: Apache-2.0
"""The readme's example runs, and what the guides name is there."""
import pathlib
import re
import shutil
import sys

import pytest
from processes import run, run_python

import tinyfin as fin

ROOT = pathlib.Path(__file__).resolve().parents[2]
GUIDES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])


@pytest.mark.parametrize("guide", GUIDES, ids=lambda p: p.name)
def test_links_and_paths_exist(guide):
    text = guide.read_text()
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (guide.parent / link).exists(), f"{guide.name} links to {link}"
    folders = "runtime|ir|passes|backends|frontend|python|tools|test|docs"
    for path in re.findall(rf"`((?:{folders})/[\w/.-]*)`", text):
        if not re.search("NAME|FOLDER|HoistCasts|hoist-casts", path):  # the pass that the guide makes up
            assert (ROOT / path).exists(), f"{guide.name} names {path}"


def test_settings_in_guides_exist():
    known = {row[0] for row in fin.settings()}
    sources = [p for pattern in ("test/**/*.cpp", "test/**/*.py", "runtime/**/*.h", "runtime/*.def", "CMakeLists.txt") for p in ROOT.glob(pattern)]
    known |= set(re.findall(r"TINYFIN_[A-Z_]*[A-Z]", "".join(p.read_text() for p in sources if p.name != "test_guides.py")))
    for guide in GUIDES:
        for name in re.findall(r"TINYFIN_[A-Z_]*[A-Z]", guide.read_text()):
            assert name in known, f"{guide.name} names {name}"


def test_the_example_of_the_readme_runs(tmp_path):
    pytest.importorskip("sklearn", reason="scikit-learn, which the example reads its data from, is not installed")
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S).group(1)
    package = pathlib.Path(fin.__file__).parents[1]
    done = run_python(code, cwd=tmp_path, PYTHONPATH=str(package))
    losses = [float(line.split()[1]) for line in done.stdout.splitlines()]
    assert losses[-1] < 0.5 < losses[0]
    assert (tmp_path / "digits.safetensors").exists() and (tmp_path / "digits.mlir").exists()


@pytest.fixture
def tree(tmp_path):
    """A copy of what tools/new.py changes."""
    for folder in ("tools", "ir", "passes", "runtime/kernels", "test/ir", "test/passes", "test/python"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def new(tree, *args):
    return run(sys.executable, tree / "tools" / "new.py", *args, returncode=None)


@pytest.mark.parametrize("options", [[], ["--binary"]], ids=str)
def test_a_new_op_is_started_in_every_place(tree, options):
    done = new(tree, "op", "log_sigmoid", *options)
    assert done.returncode == 0, done.stderr
    for path in ("ir/ElementwiseOps.td", "runtime/kernels/Kernels.h", "ir/derivatives/Elementwise.cpp", "test/ir/log-sigmoid.mlir", "test/python/test_op_log_sigmoid.py"):
        assert "log_sigmoid" in (tree / path).read_text()
    assert new(tree, "op", "log_sigmoid").returncode == 1


def test_a_new_pass_is_started_in_every_place(tree):
    assert new(tree, "pass", "hoist-casts").returncode == 0
    assert "def HoistCastsPass" in (tree / "passes/Passes.td").read_text()
    assert "GEN_PASS_DEF_HOISTCASTSPASS" in (tree / "passes/HoistCasts.cpp").read_text()
    assert "--fin-hoist-casts" in (tree / "test/passes/hoist-casts.mlir").read_text()
    assert "exists already" in new(tree, "pass", "hoist-casts").stderr


@pytest.mark.parametrize("args", [["op", "Bad-Name"], ["pass", "Bad_Name"], ["op"], ["thing", "x"], ["op", "exp"]], ids=str)
def test_bad_arguments_of_new(tree, args):
    done = new(tree, *args)
    assert done.returncode == 1 and done.stderr
