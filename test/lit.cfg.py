# SPDX-License-Identifier: Apache-2.0
# lit: runs the RUN lines of every .mlir file below test/. One by hand: lit -v test/ir/relu.mlir
# TINYFIN_BUILD names the build folder (default: build/ beside test/).
import os

import lit.formats

here = os.path.dirname(os.path.abspath(__file__))
build = os.environ.get("TINYFIN_BUILD", os.path.join(os.path.dirname(here), "build"))

config.name = "tinyfin"  # noqa: F821
config.test_format = lit.formats.ShTest(execute_external=False)  # noqa: F821
config.suffixes = [".mlir"]  # noqa: F821
config.excludes = ["Inputs"]  # noqa: F821
config.test_source_root = here  # noqa: F821
config.test_exec_root = os.path.join(build, "test")  # noqa: F821
config.environment["PATH"] = os.pathsep.join([os.path.join(build, "bin"), "/usr/lib/llvm-22/bin", os.environ["PATH"]])  # noqa: F821
config.environment["FILECHECK_OPTS"] = "--enable-var-scope"  # noqa: F821
for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "TINYFIN_DUMP"):
    if name in os.environ:
        config.environment[name] = os.environ[name]  # noqa: F821
# What is printed and read again is the same.
config.substitutions.append(("%roundtrip", "tinyfin-opt %s | tinyfin-opt | FileCheck %s"))  # noqa: F821
