# SPDX-License-Identifier: Apache-2.0
"""From a trained model to a C program: export, specialize, compile to a library, build, run, compare."""
import pathlib
import subprocess
import sys

import numpy as np
from show import lines_of

import tinyfin as fin

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = ROOT / "build" / "bin"


def run_tool(*command, **options):
    """Runs a program; stops the demo with its messages if it fails. Returns what it printed."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, **options)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stderr[-4000:]}")
    return done.stdout


def show_graph(title, text, say):
    lines = lines_of(text)
    say(f"{title}: {len(lines)} ops or kernels, {text.count('fin.constant')} constants")
    for line in lines:
        print(f"          {line[:130]}")


def specialize(graph, batch):
    return run_tool(BIN / "tinyfin-opt", graph, f"--fin-specialize-shapes=dims=N={batch}", "--fin-optimize", "--fin-fuse")


def compile_library(graph, out):
    library = out / "libdigits.so"
    run_tool(BIN / "tinyfin-compile", graph, "-o", library, "--header", out / "digits.h")
    return library


def build_program(out):
    program = out / "classify"
    run_tool("cc", "-std=c11", "-O2", "-Wall", "-Werror", f"-I{out}", ROOT / "tools" / "digits" / "classify.c", f"-L{out}", "-ldigits", "-lm", f"-Wl,-rpath,{out}", "-o", program)
    return program


def classify(program, images, out, batch):
    """Logits that the C program computes in batches of `batch`."""
    (out / "images.f32").write_bytes(np.ascontiguousarray(images).tobytes())
    run_tool(program, out / "images.f32", out / "logits.f32", batch)
    return np.fromfile(out / "logits.f32", dtype="float32").reshape(len(images), 10)


def run(model, test, logits, out, say):
    """(images on which C and Python agree, accuracy of C, bytes of the library)."""
    images, labels = test
    graph = out / "digits.mlir"
    model.eval()
    fin.export(model, (fin.from_numpy(images[:8]),), str(graph), dynamic={0: {0: "N"}})
    show_graph("exported, with N images", graph.read_text(), say)
    for batch in (1, 8, 32):
        text = specialize(graph, batch)
        (out / f"digits-{batch}.mlir").write_text(text)
        show_graph(f"optimized and fused for {batch} images", text, say)
    library = compile_library(graph, out)
    program = build_program(out)
    say(f"compiled {library.name} and {program.name}")
    agreed = np.ones(len(images), dtype=bool)
    for batch in (1, 7, 64, len(images)):
        found = classify(program, images, out, batch)
        agreed &= (np.abs(found - logits) <= 1e-5 * np.maximum(1, np.abs(logits))).all(1)
        say(f"C in batches of {batch}: largest difference {np.abs(found - logits).max():.1e}")
    return int(agreed.sum()), float((found.argmax(1) == labels).mean()), library.stat().st_size
