// Operations on public polynomials: products, key switching, dropping primes, rotations.
//
// A batch is `polys` polynomials of the same rows, one after another. Every function shares its
// rows among the ring's workers. Arrays must not overlap unless a comment says that they may.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ring.hpp"

namespace confide::ring {

// A batch of polynomials somewhere in memory.
struct Batch {
  Word* data;
  std::size_t polys;
  std::vector<std::size_t> rows;
};

void transform(const Ring& ring, const Batch& x, bool forward);

enum class Binary { kAdd, kSubtract, kMultiply };

// `out` may be x or y. If y has one polynomial, it is used for all of x.
void combine(const Ring& ring, Binary operation, Word* out, const Batch& x, const Batch& y);

// out = c · x, for a number c given as a residue for each row; `out` may be x.
void scale(const Ring& ring, Word* out, const Batch& x, std::span<const Word> residues);

// The sum over k of x[k] ⊗ y[k], where a pair (x0, x1) ⊗ (y0, y1) is (x0·y0, x0·y1 + x1·y0, x1·y1):
// out has three polynomials, each x[k] and y[k] two.
void tensor(const Ring& ring, Word* out, std::span<const Word* const> x,
            std::span<const Word* const> y, Rows rows);

// The sum over k of x[k] · y[k], where each x[k] has `polys` polynomials and each y[k] one.
void weighted(const Ring& ring, Word* out, std::span<const Word* const> x,
              std::span<const Word* const> y, std::size_t polys, Rows rows);

// How a polynomial is cut into digits: runs of `width` rows, of which the last may be shorter.
struct Digits {
  std::size_t width;
  std::size_t count(std::size_t rows) const { return (rows + width - 1) / width; }
};

// A key that takes one secret to another (Han and Ki 2020, hybrid key switching): for each digit
// two polynomials modulo `rows`, transformed; and its offset for the rows that are switched.
//
// Digits that lie between 0 and B would have the mean B/2, and so an error that piles up in the few
// slots near X = 1. They are cut from x + B/2 instead, and the offset, -B/2 times the key, is
// added.
struct SwitchingKey {
  const Word* data;
  std::vector<std::size_t> rows;
  const Word* offset;
};

// The offset of a key (whose own offset is not looked at): out is (2, rows + special, N).
void offset(const Ring& ring, Word* out, const SwitchingKey& key, Rows rows, Rows special,
            Digits digits);

// x (rows, transformed) to its digits modulo rows and special, transformed: out is
// (digits, rows + special, N). Each is raised by what the offset takes away.
void decompose(const Ring& ring, Word* out, const Word* x, Rows rows, Rows special, Digits digits);

// The sum of digits times a key, modulo rows and special: out is (2, rows + special, N).
void switch_digits(const Ring& ring, Word* out, const Word* decomposed, const SwitchingKey& key,
                   Rows rows, Rows special, Digits digits);

// Both of the above, without keeping the digits.
void switch_key(const Ring& ring, Word* out, const Word* x, const SwitchingKey& key, Rows rows,
                Rows special, Digits digits);

// Divides by the product B of the dropped primes, rounding: x is (polys, kept + dropped, N), out is
// (polys, kept, N), both transformed. With t > 1 what is taken away before the division is a
// multiple of t, so that residues modulo t are kept up to the factor B^-1.
void lower(const Ring& ring, Word* out, const Word* x, std::size_t polys, Rows kept, Rows dropped,
           Word t);

// Wipes the first words of what `lower` keeps between calls in this thread.
void wipe_kept(std::size_t words);

// X -> X^g of transformed polynomials. out is not x.
void rotate(const Ring& ring, Word* out, const Batch& x, std::size_t g);

// Rows of small whole numbers, not transformed.
void from_integers(const Ring& ring, Word* out, std::span<const std::int64_t> x, Rows rows);

// Rows of the whole numbers nearest to x, not transformed. Throws unless all are below 2^120.
void from_reals(const Ring& ring, Word* out, std::span<const double> x, Rows rows);

// The numbers about zero whose residues are given, for one or two rows, not transformed.
void to_reals(const Ring& ring, std::span<double> out, const Word* x, Rows rows);

// The same, modulo t, about zero.
void to_residues(const Ring& ring, std::span<std::int64_t> out, const Word* x, Rows rows, Word t);

}  // namespace confide::ring
