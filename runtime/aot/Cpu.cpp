// SPDX-License-Identifier: Apache-2.0
// The x86-64 level of the machine, by its feature bits and by what the operating system saves.
#include "runtime/aot/Aot.h"
#include <cpuid.h>

namespace tinyfin::aot {
namespace {

struct Leaf {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  explicit Leaf(unsigned leaf) {
    if (!__get_cpuid_count(leaf, 0, &eax, &ebx, &ecx, &edx)) eax = ebx = ecx = edx = 0;
  }
};

bool has(unsigned bits, unsigned wanted) { return (bits & wanted) == wanted; }

unsigned savedState() {
  unsigned low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

} // namespace

int cpuLevel() {
  Leaf one(1), seven(7), extended(0x80000001);
  if (!has(one.ecx, bit_SSE3 | bit_SSSE3 | bit_SSE4_1 | bit_SSE4_2 | bit_POPCNT | bit_CMPXCHG16B) ||
      !has(extended.ecx, bit_LAHF_LM))
    return -1;
  if (!has(one.ecx, bit_OSXSAVE | bit_AVX | bit_FMA | bit_F16C | bit_MOVBE) || !has(extended.ecx, bit_LZCNT) ||
      !has(seven.ebx, bit_AVX2 | bit_BMI | bit_BMI2) || !has(savedState(), 0x6))
    return 0;
  if (!has(seven.ebx, bit_AVX512F | bit_AVX512BW | bit_AVX512CD | bit_AVX512DQ | bit_AVX512VL) ||
      !has(savedState(), 0xe6))
    return 1;
  return 2;
}

} // namespace tinyfin::aot
