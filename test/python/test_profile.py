# SPDX-License-Identifier: Apache-2.0
"""fin.profile(): kernels are named, counted and written as a Chrome trace."""
import json

import pytest
import tinyfin as fin


def test_profile_counts_what_ran(tmp_path):
    x = fin.ones(64, 64)
    fin.sync()
    with fin.profile() as p:
        for _ in range(3):
            (x @ x).sum().item()
    rows = p.rows()
    assert sum(row["count"] for row in rows) >= 3
    assert all(row["total_us"] >= row["max_us"] >= row["min_us"] >= 0 for row in rows)
    assert "kernel" in str(p).splitlines()[0]
    p.save(tmp_path / "trace.json")
    assert json.loads((tmp_path / "trace.json").read_text())


def test_nothing_is_recorded_outside_the_block():
    with fin.profile() as p:
        pass
    fin.ones(4).sum().item()
    assert p.rows() == []


def test_reading_too_early_says_so():
    p = fin.profile()
    with pytest.raises(RuntimeError, match="has not ended yet"):
        p.rows()
