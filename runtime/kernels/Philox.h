// SPDX-License-Identifier: Apache-2.0
// Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11): a counter and a key give four
// words, any block can be computed by itself. tinyfin's counter is 64 bits wide: words (low, high, 0, 0).
#pragma once
#include <array>
#include <cstdint>

namespace tinyfin::philox {

inline constexpr uint32_t kMultiplierA = 0xD2511F53u, kMultiplierB = 0xCD9E8D57u;
inline constexpr uint32_t kWeylA = 0x9E3779B9u, kWeylB = 0xBB67AE85u;
inline constexpr int kRounds = 10;

using Words4 = std::array<uint32_t, 4>;

static inline Words4 block(Words4 counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t a = static_cast<uint64_t>(kMultiplierA) * counter[0];
    const uint64_t b = static_cast<uint64_t>(kMultiplierB) * counter[2];
    counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(a)};
    key = {key[0] + kWeylA, key[1] + kWeylB};
  }
  return counter;
}

/// The block at a 64-bit counter under a 64-bit key.
static inline Words4 block(uint64_t counter, uint64_t key) {
  return block(Words4{static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32), 0, 0},
               {static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32)});
}

/// Sixteen blocks at once, word by word, in loops that vectorize: word[w][b] is word w of the block at `counter + b`.
inline constexpr int kGroup = 16;
struct Group {
  uint32_t word[4][kGroup];
};
static inline void fill(Group &group, uint64_t counter, uint64_t key) {
  for (int b = 0; b < kGroup; ++b) {
    const uint64_t at = counter + static_cast<uint64_t>(b);
    group.word[0][b] = static_cast<uint32_t>(at);
    group.word[1][b] = static_cast<uint32_t>(at >> 32);
    group.word[2][b] = group.word[3][b] = 0;
  }
  uint32_t keyA = static_cast<uint32_t>(key), keyB = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < kRounds; ++round, keyA += kWeylA, keyB += kWeylB) {
    for (int b = 0; b < kGroup; ++b) {
      const uint64_t a = static_cast<uint64_t>(kMultiplierA) * group.word[0][b];
      const uint64_t c = static_cast<uint64_t>(kMultiplierB) * group.word[2][b];
      group.word[0][b] = static_cast<uint32_t>(c >> 32) ^ group.word[1][b] ^ keyA;
      group.word[1][b] = static_cast<uint32_t>(c);
      group.word[2][b] = static_cast<uint32_t>(a >> 32) ^ group.word[3][b] ^ keyB;
      group.word[3][b] = static_cast<uint32_t>(a);
    }
  }
}

/// The upper 24 bits as a number in [0, 1).
static inline float toUnit(uint32_t word) { return static_cast<float>(static_cast<int32_t>(word >> 8)) * 0x1p-24f; }
/// The same in (0, 1], for a logarithm.
static inline float toPositiveUnit(uint32_t word) {
  return static_cast<float>(static_cast<int32_t>(word >> 8) + 1) * 0x1p-24f;
}

} // namespace tinyfin::philox
