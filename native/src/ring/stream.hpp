// ChaCha20 as a stream of words (RFC 8439 §2.3, with a 64-bit counter and a 64-bit stream number in
// the place of its counter and nonce, as in Bernstein's own layout).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "arithmetic.hpp"

namespace confide::ring {

inline constexpr std::size_t kSeedBytes = 32;

using Seed = std::array<std::uint8_t, kSeedBytes>;

// A seed from the operating system. Throws std::runtime_error if it gives none.
Seed fresh_seed();

class Stream {
 public:
  static constexpr std::size_t kWords = 128;  // sixteen blocks at a time

  Stream(const Seed& seed, std::uint64_t number);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  Word next() {
    if (at_ == kWords) refill();
    return words_[at_++];
  }

  // The next words, as many as fit.
  void fill(std::span<Word> out);

 private:
  void refill();

  std::array<std::uint32_t, 8> key_;
  std::uint64_t number_, counter_ = 0;
  std::size_t at_ = kWords;
  std::array<Word, kWords> words_;
};

}  // namespace confide::ring
