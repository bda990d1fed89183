// Whatever is wrong is one line on standard error and exit status 1.
// RUN: not tinyfin-run 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not tinyfin-run %s %s 2>&1 | FileCheck %s --check-prefix=TWO
// RUN: not tinyfin-run %t.absent 2>&1 | FileCheck %s --check-prefix=ABSENT
// RUN: not tinyfin-run %S 2>&1 | FileCheck %s --check-prefix=FOLDER
// RUN: not tinyfin-run %s --wat 2>&1 | FileCheck %s --check-prefix=OPTION
// RUN: not tinyfin-run %s --backend=tpu 2>&1 | FileCheck %s --check-prefix=BACKEND
// RUN: not tinyfin-run %s --input=4x9xf32=1 2>&1 | FileCheck %s --check-prefix=TYPE
// RUN: not tinyfin-run %s --input=-1xf32=1 2>&1 | FileCheck %s --check-prefix=DTYPE
// RUN: not tinyfin-run %s --input=many 2>&1 | FileCheck %s --check-prefix=DATA
// RUN: not tinyfin-run %s --input=1 --input=1 --input=1 2>&1 | FileCheck %s --check-prefix=INPUTS
// RUN: not tinyfin-run %s --input=@%s 2>&1 | FileCheck %s --check-prefix=NPY
// RUN: not tinyfin-run %s --output=3=@%t.npy 2>&1 | FileCheck %s --check-prefix=OUTPUT
// RUN: not tinyfin-run %s --output=0=@%t.absent/y.npy 2>&1 | FileCheck %s --check-prefix=WRITE
// RUN: not tinyfin-run %s --dim N=3 2>&1 | FileCheck %s --check-prefix=DIM
// RUN: not tinyfin-run %s --repeat=0 2>&1 | FileCheck %s --check-prefix=REPEAT
// RUN: sed '$d' %s | not tinyfin-run - 2>&1 | FileCheck %s --check-prefix=CUT
// RUN: echo 'func.func @f() { return }' | not tinyfin-run - 2>&1 | FileCheck %s --check-prefix=MAIN
// RUN: echo 'func.func @main(%%x: i32) { return }' | not tinyfin-run - 2>&1 | FileCheck %s --check-prefix=ARGUMENT
// RUN: echo 'func.func private @main(tensor<2xf32>)' | not tinyfin-run - 2>&1 | FileCheck %s --check-prefix=MAIN
// RUN: echo 'func.func @main(%%x: tensor<9999999999999xf64>) { return }' | not tinyfin-run - 2>&1 | FileCheck %s --check-prefix=MEMORY

// NONE:     {{^}}tinyfin-run: found no graph file; --help lists the options{{$}}
// TWO:      {{^}}tinyfin-run: found a second graph
// ABSENT:   {{^}}tinyfin-run: cannot read {{.*}}absent: No such file
// FOLDER:   {{^}}tinyfin-run: cannot read {{.*}}: it is not a file
// OPTION:   {{^}}tinyfin-run: found option '--wat'
// BACKEND:  {{^}}tinyfin-run: found backend 'tpu', wanted one of
// TYPE:     {{^}}tinyfin-run: input 0: found 4x9xf32, wanted 4x4xf32
// DTYPE:    {{^}}tinyfin-run: found element type '-1xf32'
// DATA:     {{^}}tinyfin-run: found input 'many', wanted a number, random, random:SEED or @FILE.npy
// INPUTS:   {{^}}tinyfin-run: found 3 inputs, wanted at most 1
// NPY:      {{^}}tinyfin-run: {{.*}}run-invalid.mlir: npy: not an .npy file
// OUTPUT:   {{^}}tinyfin-run: found --output=3, the graph has 1 outputs
// WRITE:    {{^}}tinyfin-run: cannot write
// DIM:      {{^}}tinyfin-run: no dim is named 'N'
// REPEAT:   {{^}}tinyfin-run: found --repeat=0, wanted 1 to 1000000
// CUT:      {{^}}<stdin>:{{[0-9]+}}:{{[0-9]+}}: error:
// MAIN:     error: found no function @main of one block, wanted one
// ARGUMENT: {{^}}<stdin>:1:{{[0-9]+}}: error: argument is 'i32', wanted a tensor of fin's
// MEMORY:   {{^}}tinyfin-run: a tensor of 9999999999999xf64 has 79999999999992 bytes, more than this machine's memory
func.func @main(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %y = fin.exp %x : (tensor<4x4xf32>) -> tensor<4x4xf32>
  return %y : tensor<4x4xf32>
}
