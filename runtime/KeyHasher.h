// SPDX-License-Identifier: Apache-2.0
// Hash of a key's words, fed as they are recorded. Four lanes of 64x64->128 bit multiplications over blocks of eight
// words (the mixing of wyhash). Only speeds lookups up: keys are compared in full.
#pragma once
#include <cstdint>
#include <span>

namespace tinyfin {

class KeyHasher {
public:
  void add(int64_t word) {
    block[count++ % kBlock] = word;
    if (count % kBlock == 0) mixBlock(block);
  }
  void add(std::span<const int64_t> words) {
    size_t at = 0;
    while (at < words.size() && count % kBlock != 0) add(words[at++]);
    for (; at + kBlock <= words.size(); at += kBlock, count += kBlock) mixBlock(words.data() + at);
    while (at < words.size()) add(words[at++]);
  }
  /// Of all words so far; more may be added after.
  uint64_t value() const {
    KeyHasher rest = *this;
    size_t tail = count % kBlock;
    for (size_t i = tail; i < kBlock; ++i) rest.block[i] = 0;
    if (tail) rest.mixBlock(rest.block);
    uint64_t left = mix(rest.lanes[0] ^ count, rest.lanes[1] ^ kKeys[1]);
    uint64_t right = mix(rest.lanes[2] ^ kKeys[2], rest.lanes[3] ^ kKeys[3]);
    return mix(left ^ kKeys[0], right ^ count);
  }
  void reset() { *this = KeyHasher(); }

  static uint64_t of(std::span<const int64_t> words) {
    KeyHasher hasher;
    hasher.add(words);
    return hasher.value();
  }

private:
  static constexpr size_t kBlock = 8;
  static constexpr uint64_t kKeys[4] = {0xa0761d6478bd642full, 0xe7037ed1a0b428dbull, 0x8ebc6af09c88c6e3ull,
                                        0x589965cc75374cc3ull};
  static uint64_t mix(uint64_t a, uint64_t b) {
    __extension__ using Wide = unsigned __int128;
    Wide product = static_cast<Wide>(a) * b;
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  }
  void mixBlock(const int64_t *words) {
    for (int i = 0; i < 4; ++i)
      lanes[i] =
          mix(static_cast<uint64_t>(words[2 * i]) ^ kKeys[i], static_cast<uint64_t>(words[2 * i + 1]) ^ lanes[i]);
  }
  uint64_t lanes[4] = {kKeys[3], kKeys[2], kKeys[1], kKeys[0]};
  int64_t block[kBlock] = {};
  uint64_t count = 0;
};

} // namespace tinyfin
