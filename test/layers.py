#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks who includes whom (the table in docs/architecture.md) and how long files are; prints what has grown.

usage: layers.py [ROOT]    Exit 1 with file:line for each include or length that breaks a rule.
"""
import pathlib
import re
import sys

VOCABULARY = ("runtime/DType.h", "runtime/Attrs.h")
# Folder -> what its files may include beside their own folder and the standard library. "mlir" stands for MLIR and LLVM.
MAY_INCLUDE = {
    "runtime": (),
    "ir": ("mlir", *VOCABULARY),
    "passes": ("mlir", "ir/", *VOCABULARY),
    "backends": ("mlir", "ir/", "passes/", "runtime/"),
    "frontend": ("mlir", "ir/", "passes/", "runtime/", "backends/Backend.h", "backends/Compile.h", "backends/Constants.h"),
    "python": ("mlir", "ir/", "passes/", "runtime/", "backends/Backend.h", "backends/Compile.h", "backends/Constants.h", "frontend/"),
    "tools": ("mlir", "ir/", "passes/", "runtime/", "backends/", "frontend/"),
}
CODE = {".h", ".cpp", ".def", ".py", ".td", ".mlir", ".test"}
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')


def sources(root):
    for folder in (*MAY_INCLUDE, "test"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in CODE and "__pycache__" not in path.parts:
                yield path


def owner(root, include):
    """The rule's word for an include: a path of ours, "mlir", or None for the standard library and third parties."""
    first = include.split("/")[0]
    if first in ("mlir", "llvm", "mlir-c", "llvm-c", "clang"):
        return "mlir"
    return include if first in MAY_INCLUDE and not (root / first).is_file() else None


def backend_of(path):
    """"cpu" of backends/cpu/...; None for what all backends share."""
    parts = path.split("/")
    return parts[1] if parts[0] == "backends" and len(parts) > 2 else None


def why_not(file, include):
    """Why `file` may not include `include` (paths from the root, or "mlir"), or None."""
    folder = file.split("/")[0]
    if folder in ("backends", "tools") and include.startswith("backends/"):
        mine, other = backend_of(file), backend_of(include)
        return f"backend {mine} may not include backend {other}" if mine and other and mine != other else None
    if include.startswith(folder + "/") or any(include.startswith(allowed) for allowed in MAY_INCLUDE[folder]):
        return None
    wanted = ", ".join(MAY_INCLUDE[folder]) or "nothing of ours, no LLVM or MLIR"
    return f"{folder}/ may not include {'MLIR or LLVM' if include == 'mlir' else include}, only {folder}/ and: {wanted}"


def check_includes(root, path):
    file = path.relative_to(root).as_posix()
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = INCLUDE.match(line)
        include = match and owner(root, match.group(1))
        if match and '"' in line and "/" not in match.group(1):
            yield f'{file}:{number}: "{match.group(1)}" is not written from the root'
        elif include and (reason := why_not(file, include)):
            yield f"{file}:{number}: {reason}"


def check_length(root, path):
    file = path.relative_to(root).as_posix()
    limit = 600 if path.suffix in (".td", ".mlir", ".def") or file.startswith("test/") else 400
    lines = len(path.read_text().splitlines())
    if lines > limit:
        yield f"{file}:{limit + 1}: file has {lines} lines, wanted at most {limit}"


def check_license(root, path):
    if path.suffix not in (".mlir", ".test") and "SPDX-License-Identifier: Apache-2.0" not in path.read_text()[:200]:
        yield f"{path.relative_to(root).as_posix()}:1: no SPDX line"


def check_table(root):
    """The folders of the documented table are those of MAY_INCLUDE."""
    page = root / "docs/architecture.md"
    if not page.exists():
        return
    documented = re.findall(r"^\| (\w+)/ \|", page.read_text(), re.MULTILINE)
    for folder in sorted(set(documented) ^ set(MAY_INCLUDE)):
        yield f"docs/architecture.md:1: {folder}/ is in only one of the table of layers and test/layers.py"


def count(root, pattern, files):
    return sum(len(re.findall(pattern, path.read_text(), re.MULTILINE)) for path in sorted(root.glob(files)))


def print_growth(root, paths):
    lines = {}
    for path in paths:
        folder = path.relative_to(root).parts[0]
        lines[folder] = lines.get(folder, 0) + len(path.read_text().splitlines())
    print("lines: " + ", ".join(f"{folder} {number}" for folder, number in lines.items()) + f", all {sum(lines.values())}")
    print(f"ops: {count(root, r'^def Fin_[A-Za-z0-9]+Op ', 'ir/*.td')}, "
          f"passes: {count(root, r'^def [A-Za-z0-9]+ *:.*Pass<', 'passes/*.td')}, "
          f"settings: {count(root, r'^TINYFIN_SETTING', 'runtime/Config.def')}")


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent)
    paths = list(sources(root))
    problems = list(check_table(root))
    for path in paths:
        problems += check_length(root, path)
        problems += check_license(root, path)
        if path.suffix in (".h", ".cpp", ".def") and path.relative_to(root).parts[0] in MAY_INCLUDE:
            problems += check_includes(root, path)
    print_growth(root, paths)
    sys.exit("\n".join(problems) if problems else 0)


if __name__ == "__main__":
    main()
