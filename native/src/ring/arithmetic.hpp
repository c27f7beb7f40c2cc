// Whole numbers modulo a prime of at most 50 bits, and what is computed once for each prime.
//
// Everything here is either public (tables, primes) or branch-free: `reduced_once` compiles to a
// conditional move, and no table is indexed by a residue.
#pragma once

#include <cstdint>
#include <optional>

// Never a function of its own: files built for other instructions hold copies of these, of which a
// linker keeps any one.
#define CONFIDE_INLINE [[gnu::always_inline]]

namespace confide::ring {

using Word = std::uint64_t;
using Wide = unsigned __int128;

inline constexpr int kMostBits =
    50;  // so that four times a residue fits the 52 bits of AVX-512 IFMA
inline constexpr int kLeastBits = 20;
inline constexpr int kLimbBits = 52;

// A prime and its constants. Names of the form xNN say at which power of two a quotient is scaled.
struct Modulus {
  Word q = 0;
  int bits = 0;           // 2^(bits-1) < q < 2^bits
  Word barrett52 = 0;     // floor(2^(50 + bits) / q), for products of two residues
  Word inverse52 = 0;     // floor(2^52 / q), for words below 2^52
  Word limb = 0;          // 2^52 mod q
  Word limb52 = 0;        // floor(limb · 2^52 / q)
  Word barrett64 = 0;     // floor(2^64 / q)
  Word word = 0;          // 2^64 mod q
  Word word64 = 0;        // floor(word · 2^64 / q)
  double real = 0;        // q
  double reciprocal = 0;  // 1 / q, rounded

  Modulus() = default;
  explicit Modulus(Word prime);
};

// x mod q for x < 2q.
CONFIDE_INLINE constexpr Word reduced_once(Word x, Word q) {
  return x - (q & (Word{0} - Word{x >= q}));
}

CONFIDE_INLINE constexpr Word add(Word x, Word y, Word q) { return reduced_once(x + y, q); }

CONFIDE_INLINE constexpr Word subtract(Word x, Word y, Word q) {
  return reduced_once(x + q - y, q);
}

// floor(w · 2^64 / q), for `multiply_by`. Only for public w: division takes variable time.
CONFIDE_INLINE constexpr Word quotient64(Word w, Word q) {
  return static_cast<Word>((Wide{w} << 64) / q);
}

// x · w mod q, up to one q too much, for any x (Shoup's trick; Harvey 2014, Algorithm 2).
CONFIDE_INLINE constexpr Word multiply_by_lazily(Word x, Word w, Word w64, Word q) {
  const Word quotient = static_cast<Word>((Wide{x} * w64) >> 64);
  return x * w - quotient * q;
}

CONFIDE_INLINE constexpr Word multiply_by(Word x, Word w, Word w64, Word q) {
  return reduced_once(multiply_by_lazily(x, w, w64, q), q);
}

// x mod q for any word (Barrett).
CONFIDE_INLINE inline Word reduce(Word x, const Modulus& m) {
  const Word quotient = static_cast<Word>((Wide{x} * m.barrett64) >> 64);
  return reduced_once(x - quotient * m.q, m.q);
}

// x mod q for any double word.
CONFIDE_INLINE inline Word reduce_wide(Wide x, const Modulus& m) {
  const Word high = multiply_by(static_cast<Word>(x >> 64), m.word, m.word64, m.q);
  return reduced_once(high + reduce(static_cast<Word>(x), m), m.q);
}

// x · y mod q for residues.
CONFIDE_INLINE inline Word multiply(Word x, Word y, const Modulus& m) {
  const Wide product = Wide{x} * y;
  const Word top = static_cast<Word>(product >> (m.bits - 2));  // below 2^(bits + 2)
  const Word quotient = static_cast<Word>((Wide{top} * m.barrett52) >> kLimbBits);
  Word rest = static_cast<Word>(product) - quotient * m.q;  // below 4q
  rest = reduced_once(rest, 2 * m.q);
  return reduced_once(rest, m.q);
}

Word power(Word base, Word exponent, const Modulus& m);

CONFIDE_INLINE inline Word inverse(Word x, const Modulus& m) { return power(x, m.q - 2, m); }

bool is_prime(Word n);

// A primitive root of unity of order 2·degree modulo q: the smallest, so that everybody has the
// same; nothing if q is not 1 modulo 2·degree.
std::optional<Word> primitive_root(Word order, const Modulus& m);

}  // namespace confide::ring
