# SPDX-License-Identifier: Apache-2.0
"""Settings and module functions refuse what they do not know in one sentence."""

import pytest
from processes import run_python
import tinyfin as fin


def test_wrong_settings_are_named():
    for name, value, wanted in (("TINYFIN_BAKEND", "cpu", "did you mean TINYFIN_BACKEND"), ("TINYFIN_NUM_THREADS", "abc", "TINYFIN_NUM_THREADS")):
        assert wanted in run_python("import tinyfin", **{name: value}).stderr


def test_wrong_seed_is_one_sentence():
    with pytest.raises(TypeError, match="^manual_seed: wanted an integer, found str$"):
        fin.manual_seed("x")
