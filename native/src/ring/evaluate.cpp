#include "evaluate.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <stdexcept>

namespace confide::ring {

namespace {

using Pointers = std::vector<const Word*>;

// Which row of a key holds each of the primes wanted.
std::vector<std::size_t> located(const std::vector<std::size_t>& wanted,
                                 const std::vector<std::size_t>& held) {
  std::vector<std::size_t> result;
  for (const std::size_t prime : wanted) {
    const auto at = std::find(held.begin(), held.end(), prime);
    if (at == held.end()) throw std::invalid_argument("a key without one of the primes needed");
    result.push_back(static_cast<std::size_t>(at - held.begin()));
  }
  return result;
}

// Memory of one thread that stays from call to call, for what needs no wiping (ciphertexts, and
// results that their owner opened): fresh pages would cost as much as the work. A thread has one
// such place for each use.
enum class Use { kWhole, kPiece, kCount };

Word* kept_room(Use use, std::size_t words) {
  thread_local std::array<Words, static_cast<std::size_t>(Use::kCount)> rooms;
  auto& room = rooms[static_cast<std::size_t>(use)];
  if (room.size() < words) room.resize(words);
  return room.data();
}

// Whether a prime, by its place among those of a decomposition, is one of digit d's own.
bool owns(Digits digits, std::size_t d, std::size_t j, std::size_t rows) {
  return j < rows && j / digits.width == d;
}

std::vector<Conversion> conversions_of(const Ring& ring, Rows rows, Rows all, Digits digits) {
  std::vector<Conversion> result;
  for (std::size_t first = 0; first < rows.size(); first += digits.width) {
    const std::size_t many = std::min(digits.width, rows.size() - first);
    result.emplace_back(ring, rows.subspan(first, many), all);
  }
  return result;
}

// The digits of one polynomial, ready to be taken to any prime.
class Decomposition {
 public:
  Decomposition(const Ring& ring, const Word* x, Rows rows, Rows special, Digits digits)
      : ring_(ring),
        x_(x),
        rows_(rows.begin(), rows.end()),
        all_(joined(rows, special)),
        digits_(digits),
        conversions_(conversions_of(ring, rows_, all_, digits)),
        prepared_(kept_room(Use::kWhole, rows.size() * ring.degree())) {
    const std::size_t n = ring_.degree();
    ring_.run(rows_.size(), [&](std::size_t i) {
      Word* const row = prepared_ + i * n;
      std::copy_n(x_ + i * n, n, row);
      ring_.inverse(row, rows_[i]);
      conversions_[i / digits_.width].prepare(row, row, i % digits_.width);
    });
  }

  const std::vector<std::size_t>& primes() const { return all_; }
  std::size_t count() const { return conversions_.size(); }

  // Digit d modulo prime j of `primes()`, transformed: in `room`, or where it stands already.
  // Unless j is one of its own primes, it is raised by what `offset` takes away again.
  const Word* row(Word* room, std::size_t d, std::size_t j) const {
    const std::size_t n = ring_.degree(), first = d * digits_.width;
    if (owns(digits_, d, j, rows_.size())) return x_ + j * n;
    if (conversions_[d].from() == 1) {
      ring_.forward_any(room, prepared_ + first * n, 0, all_[j]);
      return room;
    }
    Pointers prepared;
    for (std::size_t i = 0; i < conversions_[d].from(); ++i)
      prepared.push_back(prepared_ + (first + i) * n);
    conversions_[d].raised(room, prepared, j);
    ring_.forward(room, all_[j]);
    return room;
  }

 private:
  const Ring& ring_;
  const Word* x_;
  std::vector<std::size_t> rows_, all_;
  Digits digits_;
  std::vector<Conversion> conversions_;
  Word* prepared_;
};

// Both halves of a key times the digits from `first` on, modulo one prime, added to what is there,
// or to the key's offset if they are the first.
void sum_digits(const Ring& ring, Word* out, std::span<const Word* const> digits, std::size_t first,
                const SwitchingKey& key, std::size_t key_row, const Word* offset, std::size_t prime,
                std::size_t stride) {
  const std::size_t n = ring.degree();
  Pointers factors[2];
  for (std::size_t half = 0; half < 2; ++half)
    for (std::size_t d = 0; d < digits.size(); ++d)
      factors[half].push_back(key.data +
                              ((2 * (first + d) + half) * key.rows.size() + key_row) * n);
  const Word* const from = first == 0 ? offset : out;
  ring.kernels().dot_twice({out, out + stride, from, from + stride}, digits, factors[0], factors[1],
                           n, ring.modulus(prime));
}

}  // namespace

void transform(const Ring& ring, const Batch& x, bool forward) {
  const std::size_t rows = x.rows.size();
  ring.run(x.polys * rows, [&](std::size_t i) {
    Word* const row = x.data + i * ring.degree();
    forward ? ring.forward(row, x.rows[i % rows]) : ring.inverse(row, x.rows[i % rows]);
  });
}

void combine(const Ring& ring, Binary operation, Word* out, const Batch& x, const Batch& y) {
  const Kernels& k = ring.kernels();
  const auto apply = operation == Binary::kAdd        ? k.add
                     : operation == Binary::kSubtract ? k.subtract
                                                      : k.multiply;
  const std::size_t n = ring.degree(), rows = x.rows.size();
  ring.run(x.polys * rows, [&](std::size_t i) {
    const std::size_t other = y.polys == 1 ? i % rows : i;
    apply(out + i * n, x.data + i * n, y.data + other * n, n, ring.modulus(x.rows[i % rows]));
  });
}

void scale(const Ring& ring, Word* out, const Batch& x, std::span<const Word> residues) {
  const std::size_t n = ring.degree(), rows = x.rows.size();
  ring.run(x.polys * rows, [&](std::size_t i) {
    const std::size_t prime = x.rows[i % rows];
    ring.kernels().scale(out + i * n, x.data + i * n, ring.factor(residues[i % rows], prime), n,
                         ring.modulus(prime));
  });
}

void tensor(const Ring& ring, Word* out, std::span<const Word* const> x,
            std::span<const Word* const> y, Rows rows) {
  const std::size_t n = ring.degree(), poly = rows.size() * n;
  ring.run(rows.size(), [&](std::size_t i) {
    // Places of x and y whose products add up to the middle, side by side.
    Pointers x0, x1, y0, y1;
    for (std::size_t k = 0; k < x.size(); ++k) {
      x0.push_back(x[k] + i * n), x1.push_back(x[k] + poly + i * n);
      y0.push_back(y[k] + i * n), y1.push_back(y[k] + poly + i * n);
    }
    const Modulus& m = ring.modulus(rows[i]);
    ring.kernels().dot(out + i * n, x0, y0, n, m, false);
    ring.kernels().dot(out + 2 * poly + i * n, x1, y1, n, m, false);
    x0.insert(x0.end(), x1.begin(), x1.end());
    y1.insert(y1.end(), y0.begin(), y0.end());
    ring.kernels().dot(out + poly + i * n, x0, y1, n, m, false);
  });
}

void weighted(const Ring& ring, Word* out, std::span<const Word* const> x,
              std::span<const Word* const> y, std::size_t polys, Rows rows) {
  const std::size_t n = ring.degree();
  ring.run(polys * rows.size(), [&](std::size_t i) {
    const std::size_t row = i % rows.size();
    Pointers xs, ys;
    for (std::size_t k = 0; k < x.size(); ++k)
      xs.push_back(x[k] + i * n), ys.push_back(y[k] + row * n);
    ring.kernels().dot(out + i * n, xs, ys, n, ring.modulus(rows[row]), false);
  });
}

void decompose(const Ring& ring, Word* out, const Word* x, Rows rows, Rows special, Digits digits) {
  const Decomposition cut(ring, x, rows, special, digits);
  const std::size_t n = ring.degree(), all = cut.primes().size();
  ring.run(cut.count() * all, [&](std::size_t i) {
    Word* const room = out + i * n;
    const Word* const row = cut.row(room, i / all, i % all);
    if (row != room) std::copy_n(row, n, room);
  });
}

void offset(const Ring& ring, Word* out, const SwitchingKey& key, Rows rows, Rows special,
            Digits digits) {
  const auto all = joined(rows, special);
  const auto held = located(all, key.rows);
  const auto conversions = conversions_of(ring, rows, all, digits);
  const std::size_t n = ring.degree();
  ring.run(all.size(), [&](std::size_t j) {
    const Modulus& m = ring.modulus(all[j]);
    Word* const ones = kept_room(Use::kPiece, 2 * n);
    Word* const term = ones + n;
    std::fill_n(ones, n, Word{1});
    ring.forward(ones, all[j]);
    for (std::size_t half = 0; half < 2; ++half) {
      Word* const row = out + (half * all.size() + j) * n;
      std::fill_n(row, n, Word{0});
      for (std::size_t d = 0; d < conversions.size(); ++d) {
        if (owns(digits, d, j, rows.size())) continue;
        const Factor taken = ring.factor(subtract(0, conversions[d].middle(j), m.q), all[j]);
        const Word* const part = key.data + ((2 * d + half) * key.rows.size() + held[j]) * n;
        ring.kernels().scale(term, part, taken, n, m);
        ring.kernels().add(row, row, term, n, m);
      }
      ring.kernels().multiply(row, row, ones, n, m);
    }
  });
}

void switch_digits(const Ring& ring, Word* out, const Word* decomposed, const SwitchingKey& key,
                   Rows rows, Rows special, Digits digits) {
  const auto all = joined(rows, special);
  const auto held = located(all, key.rows);
  const std::size_t n = ring.degree(), count = digits.count(rows.size());
  ring.run(all.size(), [&](std::size_t j) {
    Pointers pieces;
    for (std::size_t d = 0; d < count; ++d) pieces.push_back(decomposed + (d * all.size() + j) * n);
    sum_digits(ring, out + j * n, pieces, 0, key, held[j], key.offset + j * n, all[j],
               all.size() * n);
  });
}

// Digits that are multiplied while they are still near: a megabyte of them.
constexpr std::size_t kDigitWords = std::size_t{1} << 17;

void switch_key(const Ring& ring, Word* out, const Word* x, const SwitchingKey& key, Rows rows,
                Rows special, Digits digits) {
  const Decomposition cut(ring, x, rows, special, digits);
  const auto& all = cut.primes();
  const auto held = located(all, key.rows);
  const std::size_t n = ring.degree(), at_a_time = std::max(kDigitWords / n, std::size_t{1});
  ring.run(all.size(), [&](std::size_t j) {
    Word* const room = kept_room(Use::kPiece, at_a_time * n);
    for (std::size_t first = 0; first < cut.count(); first += at_a_time) {
      Pointers pieces;
      for (std::size_t d = first; d < std::min(first + at_a_time, cut.count()); ++d)
        pieces.push_back(cut.row(room + (d - first) * n, d, j));
      sum_digits(ring, out + j * n, pieces, first, key, held[j], key.offset + j * n, all[j],
                 all.size() * n);
    }
  });
}

void lower(const Ring& ring, Word* out, const Word* x, std::size_t polys, Rows kept, Rows dropped,
           Word t) {
  const std::size_t n = ring.degree(), all = kept.size() + dropped.size();
  const Conversion conversion(ring, dropped, kept);
  Word* const prepared = kept_room(Use::kWhole, polys * dropped.size() * n);
  ring.run(polys * dropped.size(), [&](std::size_t i) {
    const std::size_t poly = i / dropped.size(), at = i % dropped.size(), prime = dropped[at];
    Word* const row = prepared + i * n;
    std::copy_n(x + (poly * all + kept.size() + at) * n, n, row);
    ring.inverse(row, prime);
    if (t > 1) {
      const Modulus& m = ring.modulus(prime);
      ring.kernels().scale(row, row, ring.factor(inverse(t % m.q, m), prime), n, m);
    }
    conversion.prepare(row, row, at);
  });
  ring.run(polys * kept.size(), [&](std::size_t i) {
    const std::size_t poly = i / kept.size(), at = i % kept.size(), prime = kept[at];
    const Modulus& m = ring.modulus(prime);
    Pointers pieces;
    for (std::size_t d = 0; d < dropped.size(); ++d)
      pieces.push_back(prepared + (poly * dropped.size() + d) * n);
    Word* const row = out + i * n;
    if (dropped.size() == 1 && t == 1) {
      ring.forward_any(row, pieces[0], subtract(0, conversion.middle(at), m.q), prime);
    } else {
      conversion.apply(row, pieces, at);
      if (t > 1) ring.kernels().scale(row, row, ring.factor(t % m.q, prime), n, m);
      ring.forward(row, prime);
    }
    ring.kernels().subtract_scale(row, x + (poly * all + at) * n, row,
                                  ring.factor(inverse(ring.product(dropped, m), m), prime), n, m);
  });
}

void wipe_kept(std::size_t words) { wipe(kept_room(Use::kWhole, words), words * sizeof(Word)); }

void rotate(const Ring& ring, Word* out, const Batch& x, std::size_t g) {
  const auto& places = ring.places(g);
  const std::size_t n = ring.degree();
  ring.run(x.polys * x.rows.size(), [&](std::size_t i) {
    ring.kernels().permute(out + i * n, x.data + i * n, places.data(), n);
  });
}

void from_integers(const Ring& ring, Word* out, std::span<const std::int64_t> x, Rows rows) {
  ring.run(rows.size(), [&](std::size_t i) {
    const Modulus& m = ring.modulus(rows[i]);
    Word* const row = out + i * ring.degree();
    for (std::size_t k = 0; k < x.size(); ++k) {
      // |x| without a branch; a negative number's residue is q less that of its size.
      const auto negative = static_cast<Word>(x[k] >> 63);
      const Word size = reduce((static_cast<Word>(x[k]) ^ negative) - negative, m);
      row[k] = reduced_once((size ^ negative) + ((m.q + 1) & negative), m.q);
    }
  });
}

namespace {

// The residue of a whole number of up to 120 bits.
Word residue_of(double whole, const Modulus& m) {
  const double size = std::abs(whole);
  Word residue = 0;
  if (size < 0x1p63) {
    residue = reduce(static_cast<Word>(size), m);
  } else {
    const double high = std::floor(std::ldexp(size, -60));  // below 2^60, and exact
    const Wide joined =
        (Wide{static_cast<Word>(high)} << 60) + static_cast<Word>(size - std::ldexp(high, 60));
    residue = reduce_wide(joined, m);
  }
  return whole < 0 ? reduced_once(m.q - residue, m.q) : residue;
}

// Numbers below 2^49 in size, which are raised by 2^49 to be words below 2^50. Adding 1.5 · 2^52
// leaves no bit of a double for a fraction: it rounds, to even when in doubt, as nearbyint does.
void from_small_reals(const Ring& ring, Word* out, std::span<const double> x, Rows rows) {
  constexpr double kRound = 0x1.8p52;
  constexpr Word kRaise = Word{1} << 49;
  Scratch raised(x.size());
  for (std::size_t k = 0; k < x.size(); ++k)
    raised.data()[k] = std::bit_cast<Word>(x[k] + kRound) - std::bit_cast<Word>(kRound) + kRaise;
  ring.run(rows.size(), [&](std::size_t i) {
    const Modulus& m = ring.modulus(rows[i]);
    Word* const row = out + i * ring.degree();
    ring.kernels().reduce(row, raised.data(), x.size(), m);
    ring.kernels().shift(row, row, subtract(0, kRaise % m.q, m.q), x.size(), m);
  });
}

}  // namespace

void from_reals(const Ring& ring, Word* out, std::span<const double> x, Rows rows) {
  double largest = 0;
  bool sound = true;
  for (const double value : x) {
    largest = std::max(largest, std::abs(value));
    sound &= value == value;
  }
  if (!sound || !(largest < 0x1p120))
    throw std::invalid_argument("a coefficient that is not finite, or 2^120 and more");
  if (largest < 0x1p49) return from_small_reals(ring, out, x, rows);
  ring.run(rows.size(), [&](std::size_t i) {
    const Modulus& m = ring.modulus(rows[i]);
    Word* const row = out + i * ring.degree();
    for (std::size_t k = 0; k < x.size(); ++k) row[k] = residue_of(std::nearbyint(x[k]), m);
  });
}

namespace {

// Numbers about zero from residues modulo one prime or two.
class Lift {
 public:
  Lift(const Ring& ring, const Word* x, Rows rows) : x_(x), y_(x + ring.degree()) {
    if (rows.empty() || rows.size() > 2)
      throw std::invalid_argument("numbers are read from one prime or two");
    p_ = ring.modulus(rows[0]);
    total_ = p_.q;
    if (rows.size() == 1) return;
    q_ = ring.modulus(rows[1]);
    back_ = inverse(p_.q % q_.q, q_);
    total_ *= q_.q;
  }

  __int128 at(std::size_t k) const {
    Wide number = x_[k];
    if (back_) {
      const Word digit = multiply(subtract(y_[k], reduce(x_[k], q_), q_.q), back_, q_);
      number += Wide{digit} * p_.q;
    }
    const Wide above = number > total_ / 2 ? total_ : 0;
    return static_cast<__int128>(number - above);
  }

 private:
  const Word *x_, *y_;
  Modulus p_, q_;
  Word back_ = 0;
  Wide total_;
};

}  // namespace

void to_reals(const Ring& ring, std::span<double> out, const Word* x, Rows rows) {
  const Lift lift(ring, x, rows);
  for (std::size_t k = 0; k < out.size(); ++k) out[k] = static_cast<double>(lift.at(k));
}

void to_residues(const Ring& ring, std::span<std::int64_t> out, const Word* x, Rows rows, Word t) {
  if (t < 2 || t > Word{1} << 62) throw std::invalid_argument("t lies between 2 and 2^62");
  const Lift lift(ring, x, rows);
  const auto modulus = static_cast<__int128>(t);
  for (std::size_t k = 0; k < out.size(); ++k) {
    __int128 rest = lift.at(k) % modulus;
    if (2 * rest > modulus) rest -= modulus;
    if (2 * rest < -modulus + 1) rest += modulus;
    out[k] = static_cast<std::int64_t>(rest);
  }
}

}  // namespace confide::ring
