// SPDX-License-Identifier: Apache-2.0
// Whatever the input, tinyfin-opt ends with exit status 1 and says where.
// RUN: not tinyfin-opt %t.missing 2>&1 | FileCheck %s --check-prefix=MISSING
// RUN: printf 'func.func @main(\n' | not tinyfin-opt 2>&1 | FileCheck %s --check-prefix=CUT
// RUN: not tinyfin-opt %S/Inputs/shapes.mlir 2>&1 | FileCheck %s --check-prefix=SHAPE
// RUN: printf 'ML\357R\006' | not tinyfin-opt 2>&1 | FileCheck %s --check-prefix=BYTECODE
// RUN: printf '\177FINGRF\n\001' | not tinyfin-opt 2>&1 | FileCheck %s --check-prefix=ENVELOPE
// RUN: not tinyfin-opt --fin-no-such-pass %s 2>&1 | FileCheck %s --check-prefix=PASS

// MISSING: tinyfin-opt: cannot open input file
// CUT: <stdin>:{{[0-9]+}}:{{[0-9]+}}: error:
// SHAPE: shapes.mlir:3:{{[0-9]+}}: error: 'fin.matmul' op
// BYTECODE: tinyfin-opt: found bytecode outside of a graph file's envelope
// ENVELOPE: tinyfin-opt: {{.+}}
// PASS: Unknown command line argument '--fin-no-such-pass'
