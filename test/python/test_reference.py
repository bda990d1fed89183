# SPDX-License-Identifier: Apache-2.0
"""The generated references and stubs are complete and well formed."""
import ast
import pathlib

import pytest
import tinyfin as fin
from tinyfin import _core

BUILD = pathlib.Path(_core.__file__).resolve().parents[2]
STUBS = BUILD / "python/tinyfin/_core"


def names_in(body):
    return {getattr(node, "name", None) or getattr(getattr(node, "target", None), "id", None) for node in body}


def test_every_op_is_in_the_reference_and_the_stubs():
    page = (BUILD / "reference/ops.md").read_text()
    stubbed = names_in(ast.parse((STUBS / "ops.pyi").read_text()).body)
    ops = [name for name in dir(fin.ops) if not name.startswith("_")]
    assert len(ops) > 60
    for name in ops:
        assert f"### fin.{name}\n" in page
        assert name in stubbed or name in ("print", "assert")


def test_every_public_name_has_a_stub():
    tree = ast.parse((STUBS / "__init__.pyi").read_text())
    stubbed = names_in(tree.body) | {"ops"}
    assert {name for name in dir(_core) if not name.startswith("_")} - stubbed == set()
    tensor = next(node for node in tree.body if getattr(node, "name", None) == "Tensor")
    public = {name for name in vars(fin.Tensor) if not name.startswith("_")}
    assert public - names_in(tensor.body) <= {name for name in public if callable(getattr(fin.Tensor, name)) and getattr(fin.Tensor, name).__module__ != "tinyfin._core"}


@pytest.mark.parametrize("page, wanted", [("settings.md", "TINYFIN_BACKEND"), ("passes.md", "fin-")])
def test_other_references(page, wanted):
    assert wanted in (BUILD / "reference" / page).read_text()
