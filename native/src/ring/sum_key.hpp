// Keys that encrypt one vector, so that a sum of vectors opens with the sum of the keys.
//
// See docs/encrypted-sums.md for the protocol around it and why it is safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "evaluate.hpp"
#include "stream.hpp"

namespace confide::ring {

// How likely the values of a discrete Gaussian are: entry k is 2^126·P(|x| <= k), as two words of
// 63 bits. No value exceeds the number of entries.
struct CumulativeTable {
  std::vector<Word> high, low;

  static constexpr std::size_t kMostEntries = 127;
};

// Symmetric values by inversion. Every entry is compared with, so time and addresses do not depend
// on what comes out.
void discrete_gaussian(std::span<std::int8_t> out, const CumulativeTable& table, Stream& stream);

class SumKey {
 public:
  // A short key from a seed; the ring has one prime.
  SumKey(const Ring& ring, CumulativeTable table, const Seed& seed);
  SumKey(const SumKey&) = delete;
  SumKey& operator=(const SumKey&) = delete;

  const Ring& ring() const { return ring_; }
  std::size_t largest() const { return table_.high.size(); }  // number, in magnitude

  // Blocks a_k·s + 2^bits·e_k + m_k, where a_k is `uniform` of the public seed, stream k, and m is
  // so many blocks of numbers in [-2^(bits-1), 2^(bits-1)). False, and nothing written, if one is
  // not. Throws std::invalid_argument if the key has encrypted before, in whichever thread.
  [[nodiscard]] bool encrypt(Word* out, std::span<const std::int64_t> numbers, const Seed& shared,
                             int bits);

  // Shamir's shares of each coefficient: the values at these points of polynomials of degree
  // threshold - 1. Throws std::invalid_argument if the key has been shared before.
  void share(Word* out, std::span<const Word> points, std::size_t threshold);

 private:
  const Ring& ring_;
  CumulativeTable table_;
  SecretSeed seed_;
  Scratch small_, transformed_;  // coefficients as residues, and their transform
  std::atomic<bool> encrypted_ = false, shared_ = false;
};

}  // namespace confide::ring
