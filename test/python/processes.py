# SPDX-License-Identifier: Apache-2.0
"""Processes of their own, for what happens once in one: the import, settings, the first compilation, an interrupt, the end."""
import os
import subprocess
import sys

LIMIT = 300  # seconds


def run(*command, returncode=0, clean=False, cwd=None, **environment):
    """The finished process with its output as text. Fails with what it wrote to stderr unless it ends with `returncode` (None: anyhow).

    environment: settings for it, as TINYFIN_LOG="compile". clean: none of the settings of this process are its."""
    inherited = {key: value for key, value in os.environ.items() if not (clean and key.startswith("TINYFIN_"))}
    done = subprocess.run(list(map(str, command)), env={**inherited, **environment}, cwd=cwd, capture_output=True, text=True, timeout=LIMIT)
    assert returncode in (None, done.returncode), f"ended with {done.returncode}, wanted {returncode}:\n{done.stdout[-1000:]}{done.stderr[-3000:]}"
    return done


def run_python(code, **options):
    """A program in Python, likewise."""
    return run(sys.executable, "-c", code, **options)
