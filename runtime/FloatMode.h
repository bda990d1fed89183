// SPDX-License-Identifier: Apache-2.0
// How the calling thread's floating point unit rounds, and what it makes of results that are too small for a normal
// number: arithmetic with such numbers (denormals) takes a hundred times as long, and averages that decay end in them.
#pragma once
#include <cstdint>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace tinyfin {

/// The mode as a word; 0 where there is none to be set.
inline uint32_t floatMode() {
#if defined(__SSE__)
  return _mm_getcsr() & 0xffc0u; // without what was raised so far
#else
  return 0;
#endif
}

inline void setFloatMode([[maybe_unused]] uint32_t mode) {
#if defined(__SSE__)
  _mm_setcsr(mode);
#endif
}

/// While one lives, denormal results of the calling thread are zeros of their sign. Denormal operands stay what they
/// are: log(1e-40) is -92. Nothing happens unless it is wanted.
class FlushedDenormals {
public:
  explicit FlushedDenormals(bool isWanted) : isWanted(isWanted) {
    if (!isWanted) return;
    constexpr uint32_t kFlushToZero = 0x8000;
    before = floatMode();
    setFloatMode(before | kFlushToZero);
  }
  ~FlushedDenormals() {
    if (isWanted) setFloatMode(before);
  }
  FlushedDenormals(const FlushedDenormals &) = delete;

private:
  const bool isWanted;
  uint32_t before = 0;
};

} // namespace tinyfin
