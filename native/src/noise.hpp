// Discrete noise by cells: what confide.noise.reference does, proposal by proposal.
//
// No Python here, no cryptography and no allocation in the loop. The reference's docstrings hold
// the mathematics and the argument why nothing is decided wrongly; names are the same.
#pragma once

#include <array>
#include <cfloat>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#if defined(__FAST_MATH__)
#error "the error bound assumes IEEE 754: build without -ffast-math"
#endif

namespace confide {

static_assert(std::numeric_limits<double>::is_iec559, "the error bound assumes IEEE 754");

inline constexpr int kWordBits = 64;
inline constexpr int kGuideBits = 12;
inline constexpr int kMostShift = 36;
inline constexpr std::size_t kMostFloors = 32'000;
inline constexpr std::int64_t kFarthest = std::int64_t{1} << 61;

// A distribution on the integers of [-bound, bound], cut into cells of 2^shift.
struct Law {
  int shift;
  std::int64_t bound;
  double quadratic;
  double linear;
};

// The j of a cell's number: 0, -1, 1, -2, 2, ...
constexpr std::int64_t unfolded(std::size_t cell) {
  const auto number = static_cast<std::int64_t>(cell);
  return (number >> 1) ^ -(number & 1);
}

// What the first bits of a word decide alone.
class Table {
 public:
  static constexpr std::int16_t kAmbiguous = std::numeric_limits<std::int16_t>::min();

  // Floors must not fall, and there must be 1 to kMostFloors of them.
  explicit Table(std::span<const std::uint64_t> floors);

  // Sets j and returns true, or returns false: the word is the end of a cell.
  bool decides(std::uint64_t word, std::int64_t& j) const {
    j = guide_[word >> (kWordBits - kGuideBits)];
    return j != kAmbiguous || searches(word, j);
  }

 private:
  bool searches(std::uint64_t word, std::int64_t& j) const;

  std::span<const std::uint64_t> floors_;
  std::array<std::int16_t, std::size_t{1} << kGuideBits> guide_;
};

enum class Verdict { kKept, kRejected, kUndecided };

// exp(-a) for a in [0, 1], by the nested Taylor polynomial.
double taylor_exp(double exponent);

// a(x) = u·(q·(u + 2·start) + l), where |x| = start + u.
inline double excess(const Law& law, std::int64_t x) {
  const std::int64_t negative = x >> 63;
  const std::int64_t folded = x ^ negative;
  const std::int64_t u = folded & ((std::int64_t{1} << law.shift) - 1);
  // Folded, start is short of one below zero: the sum is u + 2·start for either sign.
  const std::int64_t beside = 2 * folded - u - 2 * negative;
  return static_cast<double>(u) * (law.quadratic * static_cast<double>(beside) + law.linear);
}

inline constexpr double kMargin = 0x1p-40;

// Compares V, of which a word holds the first 64 bits, with exp(-a).
inline Verdict compare(double a, std::uint64_t word) {
  const double v = static_cast<double>(word >> 11) * 0x1p-53;
  if (v < (1.0 - kMargin) - a) return Verdict::kKept;
  if (!(a <= 1.0)) return Verdict::kUndecided;
  const double chance = taylor_exp(a);
  if (v < chance - kMargin) return Verdict::kKept;
  if (v > chance + kMargin) return Verdict::kRejected;
  return Verdict::kUndecided;
}

}  // namespace confide
