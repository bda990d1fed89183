// SPDX-License-Identifier: Apache-2.0
// What this machine and the settings allow for products of bf16: AMX tiles, AVX512-BF16 vectors, or neither (then they
// are converted to f32). Also the tile configuration of the calling thread.
#pragma once
#include <cstdint>

#if defined(__x86_64__)
#define TINYFIN_AMX_TARGETS 1
#define TINYFIN_TARGET_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq")))
#define TINYFIN_TARGET_BF16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")))
#define TINYFIN_TARGET_AMX __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,amx-tile,amx-bf16")))
#endif

namespace tinyfin::amx {

enum class Isa : uint8_t { None, Avx512Bf16, Amx };

/// The best that the processor has and the kernel grants this process.
Isa machineIsa();
/// The fastest of them that TINYFIN_BF16_PRODUCTS allows.
Isa isa();

/// Configures the calling thread's eight tiles as 16 rows of 64 bytes and releases them at the end, so that whoever
/// uses them next on this thread (oneDNN) finds them as after its own release. Does nothing below Isa::Amx.
class TileScope {
public:
  explicit TileScope(Isa isa);
  ~TileScope();
  TileScope(const TileScope &) = delete;

private:
  bool configured;
};

} // namespace tinyfin::amx
