#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the tests of one build folder and adds up their results.

usage: run_tests.py BUILD    Python tests are run if the build has the Python package.
"""
import collections
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIT = "/usr/lib/llvm-22/bin/lit"
Tally = collections.namedtuple("Tally", "passed failed skipped")


def run(command, **environment):
    """Runs a command with its output shown; returns the exit status."""
    print(f"== {' '.join(map(str, command))}", flush=True)
    return subprocess.run(command, env={**os.environ, **environment}, cwd=ROOT).returncode


def at_least_one_failure(tally, status):
    """A run that ended badly has failed, even if it could not say which test did."""
    return tally if status == 0 or tally.failed else tally._replace(failed=1)


def gtest(binary, out):
    report = out / f"{binary.name}.json"
    status = run([binary, "--gtest_brief=1", f"--gtest_output=json:{report}"])
    if not report.exists():
        return Tally(0, 1, 0)
    found = json.loads(report.read_text())
    skipped = sum(t.get("result") == "SKIPPED" for suite in found["testsuites"] for t in suite["testsuite"])
    ran = found["tests"] - found.get("disabled", 0) - skipped
    return at_least_one_failure(Tally(ran - found["failures"], found["failures"], skipped), status)


def lit(build, out):
    report = out / "lit.json"
    status = run([sys.executable, LIT, "-s", "--no-progress-bar", "-v", "-o", report, ROOT / "test"], TINYFIN_BUILD=str(build))
    if not report.exists():
        return Tally(0, 1, 0)
    codes = collections.Counter(test["code"] for test in json.loads(report.read_text())["tests"])
    passed, skipped = codes["PASS"] + codes["XFAIL"] + codes["FLAKYPASS"], codes["UNSUPPORTED"] + codes["SKIPPED"] + codes["EXCLUDED"]
    return at_least_one_failure(Tally(passed, sum(codes.values()) - passed - skipped, skipped), status)


def pytest(build, out):
    report = out / "pytest.xml"
    status = run([sys.executable, "-m", "pytest", "-q", "-rs", "--tb=short", "-p", "no:cacheprovider", f"--junitxml={report}", ROOT / "test"],
                 PYTHONPATH=str(build / "python"))
    if not report.exists():
        return Tally(0, 1, 0)
    suites = list(xml.parse(report).iter("testsuite"))
    count = {name: sum(int(s.get(name, 0)) for s in suites) for name in ("tests", "failures", "errors", "skipped")}
    failed = count["failures"] + count["errors"]
    return at_least_one_failure(Tally(count["tests"] - failed - count["skipped"], failed, count["skipped"]), status)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    build = pathlib.Path(sys.argv[1]).resolve()
    # The system's LLVM does not tell the address sanitizer what its arenas hand out, while our copies of its headers do.
    os.environ.setdefault("ASAN_OPTIONS", "allow_user_poisoning=0")
    binaries = sorted((build / "bin").glob("*_tests"))
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder)
        for binary in binaries:
            results[binary.name] = gtest(binary, out)
        if any((ROOT / "test").rglob("*.mlir")):
            results["lit"] = lit(build, out)
        if (build / "python").exists():
            results["pytest"] = pytest(build, out)
    for name, tally in results.items():
        print(f"{name}: {tally.passed} passed, {tally.failed} failed" + (f", {tally.skipped} skipped" if tally.skipped else ""))
    passed, failed = (sum(getattr(t, field) for t in results.values()) for field in ("passed", "failed"))
    print(f"{passed} passed, {failed} failed", flush=True)
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
