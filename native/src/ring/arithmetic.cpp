#include "arithmetic.hpp"

#include <bit>
#include <stdexcept>

namespace confide::ring {

Modulus::Modulus(Word prime) : q(prime), bits(static_cast<int>(std::bit_width(prime))) {
  if (bits < kLeastBits || bits > kMostBits || !is_prime(prime))
    throw std::invalid_argument("a modulus is a prime of 20 to 50 bits");
  barrett52 = static_cast<Word>((Wide{1} << (kMostBits + bits)) / q);
  inverse52 = (Word{1} << kLimbBits) / q;
  limb = (Word{1} << kLimbBits) % q;
  limb52 = static_cast<Word>((Wide{limb} << kLimbBits) / q);
  barrett64 = static_cast<Word>((Wide{1} << 64) / q);
  word = static_cast<Word>((Wide{1} << 64) % q);
  word64 = quotient64(word, q);
  real = static_cast<double>(q);
  reciprocal = 1.0 / real;
}

Word power(Word base, Word exponent, const Modulus& m) {
  Word result = 1;
  for (; exponent; exponent >>= 1, base = multiply(base, base, m))
    if (exponent & 1) result = multiply(result, base, m);
  return result;
}

namespace {

Word power_wide(Word base, Word exponent, Word n) {
  Word result = 1;
  for (; exponent; exponent >>= 1, base = static_cast<Word>(Wide{base} * base % n))
    if (exponent & 1) result = static_cast<Word>(Wide{result} * base % n);
  return result;
}

}  // namespace

// Miller–Rabin; these bases decide every word (Sorenson and Webster 2017).
bool is_prime(Word n) {
  constexpr Word kBases[] = {2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37};
  if (n < 2) return false;
  for (const Word p : kBases)
    if (n % p == 0) return n == p;
  const int twos = std::countr_zero(n - 1);
  for (const Word base : kBases) {
    Word x = power_wide(base, (n - 1) >> twos, n);
    if (x == 1 || x == n - 1) continue;
    bool witness = true;
    for (int i = 1; witness && i < twos; ++i) {
      x = static_cast<Word>(Wide{x} * x % n);
      witness = x != n - 1;
    }
    if (witness) return false;
  }
  return true;
}

std::optional<Word> primitive_root(Word order, const Modulus& m) {
  if ((m.q - 1) % order != 0) return std::nullopt;
  // An element of order 2^k exactly: g^((q-1)/order) whose half power is -1.
  Word root = 0;
  for (Word g = 2; root == 0; ++g) {
    const Word candidate = power(g, (m.q - 1) / order, m);
    if (power(candidate, order / 2, m) == m.q - 1) root = candidate;
  }
  // The others are its odd powers.
  const Word step = multiply(root, root, m);
  Word smallest = root;
  for (Word i = 0; i < order / 2; ++i, root = multiply(root, step, m))
    if (root < smallest) smallest = root;
  return smallest;
}

}  // namespace confide::ring
