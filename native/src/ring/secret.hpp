// What touches keys: samplers, a secret, and encryption and decryption under it.
//
// No branch and no address here depends on a secret, an error or a message; rejection in the
// ternary sampler depends on draws that are thrown away, never on those that are kept. Everything
// secret lives in memory that is wiped when released.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "evaluate.hpp"
#include "stream.hpp"

namespace confide::ring {

// Uniform residues modulo one prime: words of stream `number` of a seed, of which those of
// q·floor(2^64/q) and more are skipped, modulo q.
void uniform(Word* out, std::size_t count, const Modulus& m, const Seed& seed,
             std::uint64_t number);

// -1, 0 and 1, equally likely.
void ternary(std::span<std::int8_t> out, Stream& stream);

// Ones among 21 coins less ones among 21 others: standard deviation 3.24 (the centred binomial of
// the homomorphic encryption standard's implementations).
inline constexpr int kCoins = 21;
void centred_binomial(std::span<std::int8_t> out, Stream& stream);

// Small numbers as residues modulo one prime.
void embed(const Ring& ring, Word* out, std::span<const std::int8_t> x, std::size_t prime);

// The second polynomials of a switching key, from the seed that made it: key is (digits, 2, rows,
// N).
void expand_switching_key(const Ring& ring, Word* key, std::size_t digits, Rows rows,
                          const Seed& seed);

class Secret {
 public:
  // Fresh, uniform and ternary.
  explicit Secret(const Ring& ring);
  // From its coefficients, each -1, 0 or 1.
  Secret(const Ring& ring, std::span<const std::int8_t> coefficients);
  ~Secret();
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;

  const Ring& ring() const { return ring_; }
  std::span<const std::int8_t> coefficients() const { return coefficients_; }

  // b = -a·s + t·e + m, where a is `uniform` of the seed, stream prime + first, and m is
  // transformed, or nothing. out may be m.
  void encrypt(Word* out, const Word* message, Rows rows, const Seed& seed, std::uint64_t first,
               Word t) const;

  // c0 + c1·s + c2·s^2 + ..., transformed.
  void phase(Word* out, const Word* ciphertext, std::size_t polys, Rows rows) const;

  // A key that takes s^2 to s.
  void relinearisation_key(Word* out, Rows rows, Rows special, Digits digits, const Seed& seed,
                           Word t) const;

  // A key that takes s to what X -> X^g would make s.
  void rotation_key(Word* out, std::size_t g, Rows rows, Rows special, Digits digits,
                    const Seed& seed, Word t) const;

 private:
  void transform_coefficients();
  void switching_key(Word* out, const Word* from, const Word* to, Rows rows, Rows special,
                     Digits digits, const Seed& seed, Word t) const;

  const Ring& ring_;
  std::vector<std::int8_t> coefficients_;
  Scratch transformed_;  // modulo every prime of the ring
};

// An encryption of m under a public key (b, a): (b·v + t·e0, a·v + t·e1) modulo rows and special,
// divided by the special primes' product, to which m is added. The division leaves only its own
// rounding of the errors. The key has all of these rows, and perhaps more; out is (2, rows, N).
void encrypt_publicly(const Ring& ring, Word* out, const Word* key, Rows key_rows,
                      const Word* message, Rows rows, Rows special, Word t);

}  // namespace confide::ring
