// SPDX-License-Identifier: Apache-2.0
// A library imports from libc, libm and libpthread alone, and exports its interface alone.
// RUN: mkdir -p %t && tinyfin-compile %s -o %t/libnet.a
// RUN: llvm-nm --undefined-only --format=just-symbols %t/libnet.a | FileCheck --check-prefix=UNDEFINED %s
// RUN: llvm-nm --extern-only --defined-only --format=just-symbols %t/libnet.a | FileCheck --check-prefix=DEFINED %s
// RUN: tinyfin-compile %s --emit=llvm --name=net | FileCheck --check-prefix=WEIGHTS %s
// UNDEFINED: net.o
// UNDEFINED-NEXT: {{^calloc *$}}
// UNDEFINED-NEXT: {{^free *$}}
// UNDEFINED-NEXT: {{^memcpy *$}}
// UNDEFINED-NEXT: {{^memset *$}}
// UNDEFINED-NEXT: {{^posix_memalign *$}}
// UNDEFINED-NEXT: {{^pthread_cond_broadcast *$}}
// UNDEFINED-NEXT: {{^pthread_cond_init *$}}
// UNDEFINED-NEXT: {{^pthread_cond_signal *$}}
// UNDEFINED-NEXT: {{^pthread_cond_wait *$}}
// UNDEFINED-NEXT: {{^pthread_create *$}}
// UNDEFINED-NEXT: {{^pthread_join *$}}
// UNDEFINED-NEXT: {{^pthread_mutex_init *$}}
// UNDEFINED-NEXT: {{^pthread_mutex_lock *$}}
// UNDEFINED-NEXT: {{^pthread_mutex_unlock *$}}
// UNDEFINED-NEXT: {{^vsnprintf *$}}
// UNDEFINED-NOT: {{.}}
// DEFINED: net.o
// DEFINED-NEXT: {{^net_create *$}}
// DEFINED-NEXT: {{^net_destroy *$}}
// DEFINED-NEXT: {{^net_error *$}}
// DEFINED-NEXT: {{^net_run *$}}
// DEFINED-NEXT: {{^net_set_threads *$}}
// DEFINED-NOT: {{.}}
// WEIGHTS: internal constant [36 x i8] {{.*}}, align 64
func.func @main(%x: tensor<1x1x8x8xf32>) -> tensor<1x1x8x8xf32> {
  %w = fin.constant dense<[[[[1.0, 2.0, 3.0], [0.5, -1.0, 2.0], [1.0, 1.0, -4.0]]]]> : tensor<1x1x3x3xf32>
  %0 = fin.conv2d %x, %w {strides = array<i64: 1, 1>, padding = array<i64: 1, 1>} : (tensor<1x1x8x8xf32>, tensor<1x1x3x3xf32>) -> tensor<1x1x8x8xf32>
  %1 = fin.exp %0 : (tensor<1x1x8x8xf32>) -> tensor<1x1x8x8xf32>
  return %1 : tensor<1x1x8x8xf32>
}
