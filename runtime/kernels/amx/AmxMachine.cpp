// SPDX-License-Identifier: Apache-2.0
// CPUID, the permission that Linux wants asked for before tiles are used, and tile configurations.
#include "runtime/kernels/amx/AmxMachine.h"
#include "runtime/Config.h"
#include <algorithm>
#ifdef TINYFIN_AMX_TARGETS
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace tinyfin::amx {
namespace {

#ifdef TINYFIN_AMX_TARGETS

constexpr int kArchRequestPermission = 0x1023, kTileData = 18; // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA

bool bit(uint32_t word, int index) { return word >> index & 1; }

/// The register state that the operating system saves: XCR0.
uint64_t enabledState() {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t(high) << 32 | low;
}

/// Once granted, the permission holds for all threads of the process and its children.
bool tilesGranted() { return syscall(SYS_arch_prctl, kArchRequestPermission, kTileData) == 0; }

Isa detect() {
  uint32_t a, b, c, d, subleaves, ignored;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !bit(c, 27)) return Isa::None; // OSXSAVE
  constexpr uint64_t vectors = 0xe6, tiles = 3u << 17;
  uint64_t state = enabledState();
  if ((state & vectors) != vectors || !__get_cpuid_count(7, 0, &subleaves, &b, &c, &d)) return Isa::None;
  bool avx512 = bit(b, 16) && bit(b, 17) && bit(b, 30) && bit(b, 31); // F, DQ, BW, VL
  bool amx = bit(d, 22) && bit(d, 24);                                // AMX-BF16, AMX-TILE
  if (!avx512 || subleaves < 1 || !__get_cpuid_count(7, 1, &a, &ignored, &c, &d) || !bit(a, 5)) return Isa::None;
  return amx && (state & tiles) == tiles && tilesGranted() ? Isa::Amx : Isa::Avx512Bf16;
}

/// Intel's vdpbf16ps has half the rate of f32's FMA (116 of 214 GFLOP/s where it was measured): converting is faster.
bool vectorsPay() {
  uint32_t highest, b, c, d;
  return __get_cpuid(0, &highest, &b, &c, &d) && b != signature_INTEL_ebx;
}

/// The operand of ldtilecfg.
struct alignas(64) TileConfig {
  uint8_t palette = 1, startRow = 0, reserved[14] = {};
  uint16_t rowBytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
constexpr TileConfig kWholeTiles;

TINYFIN_TARGET_AMX void configure() { _tile_loadconfig(&kWholeTiles); }
TINYFIN_TARGET_AMX void release() { _tile_release(); }

#else

Isa detect() { return Isa::None; }
bool vectorsPay() { return false; }
void configure() {}
void release() {}

#endif

} // namespace

Isa machineIsa() {
  static const Isa found = detect();
  return found;
}

Isa isa() {
  static const Isa best = machineIsa() == Isa::Avx512Bf16 && !vectorsPay() ? Isa::None : machineIsa();
  switch (Config::process().number(Setting::bf16Products)) { // in the order of the setting's choices
  case 0:
    return best;
  case 1:
    return std::min(machineIsa(), Isa::Avx512Bf16);
  default:
    return Isa::None;
  }
}

TileScope::TileScope(Isa isa) : configured(isa == Isa::Amx) {
  if (configured) configure();
}
TileScope::~TileScope() {
  if (configured) release();
}

} // namespace tinyfin::amx
