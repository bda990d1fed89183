# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: F821
"""lit: runs the RUN lines of .mlir and .test files below test/. One by hand: lit -v test/ir/fusion.mlir

TINYFIN_BUILD names the build folder (default: build/ beside test/).
"""
import os
import shutil
import sys

import lit.formats

here = os.path.dirname(os.path.abspath(__file__))
root = os.path.dirname(here)
build = os.environ.get("TINYFIN_BUILD", os.path.join(root, "build"))

config.name = "tinyfin"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs"]
config.test_source_root = here
config.test_exec_root = os.path.join(build, "test")
config.environment["PATH"] = os.pathsep.join([os.path.join(build, "bin"), "/usr/lib/llvm-22/bin", os.environ["PATH"]])
# A variable without $ is forgotten at the next LABEL, so that no function's check leans on another's.
config.environment["FILECHECK_OPTS"] = "--enable-var-scope"
# The system's LLVM does not tell the address sanitizer what its arenas hand out, while our copies of its headers do.
config.environment["ASAN_OPTIONS"] = "allow_user_poisoning=0"
for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "TINYFIN_DUMP"):
    if name in os.environ:
        config.environment[name] = os.environ[name]

config.substitutions += [
    # What is printed and read again is the same.
    ("%roundtrip", "tinyfin-opt %s -split-input-file | tinyfin-opt -split-input-file | FileCheck %s"),
    # Errors are where and what the file says, and there are no others.
    ("%verify", "tinyfin-opt %s -split-input-file -verify-diagnostics -o /dev/null"),
    ("%canonicalize", "tinyfin-opt %s -canonicalize | FileCheck %s"),
    ("%python", sys.executable),
    ("%root", root),
    ("%build", build),
]

if not shutil.which("tinyfin-opt", path=config.environment["PATH"]):
    lit_config.fatal(f"tinyfin-opt is not in {build}/bin: build it first, or name the build folder in TINYFIN_BUILD")
