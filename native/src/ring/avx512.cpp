// AVX-512 with its 52-bit multiply-add (IFMA): eight residues at a time.
#include "kernels.hpp"

#if defined(CONFIDE_AVX512)
#include <immintrin.h>

#include <algorithm>
#include <cstdint>

#include "loops.hpp"
#include "transform.hpp"

namespace confide::ring {
namespace {

using Reg = __m512i;

Reg all(Word x) { return _mm512_set1_epi64(static_cast<long long>(x)); }
Reg load(const Word* a) { return _mm512_loadu_si512(a); }
void store(Word* a, Reg x) { _mm512_storeu_si512(a, x); }

// x mod q for x < 2q: what wraps around is larger.
Reg reduced_once(Reg x, Reg q) { return _mm512_min_epu64(x, _mm512_sub_epi64(x, q)); }

Reg lowest_limb(Reg x) { return _mm512_and_si512(x, all((Word{1} << kLimbBits) - 1)); }

// x · w mod q, up to one q too much, for x < 2^52 and `minus` = 2^52 - q.
Reg multiply_by_lazily(Reg x, Reg w, Reg w52, Reg minus) {
  const Reg zero = _mm512_setzero_si512();
  const Reg quotient = _mm512_madd52hi_epu64(zero, x, w52);
  const Reg low = _mm512_madd52lo_epu64(zero, x, w);
  return lowest_limb(_mm512_madd52lo_epu64(low, quotient, minus));
}

// x mod q, up to one q too much, for x < 2^52: the same for w = 1.
Reg reduced_lazily(Reg x, Reg inverse52, Reg minus) {
  const Reg quotient = _mm512_madd52hi_epu64(_mm512_setzero_si512(), x, inverse52);
  return lowest_limb(_mm512_madd52lo_epu64(x, quotient, minus));
}

Reg minus(const Modulus& m) { return all((Word{1} << kLimbBits) - m.q); }

struct Eight {
  static constexpr std::size_t lanes = 8, tails = 4;
  struct Twiddle {
    Reg w, w52;
  };
  struct Constants {
    explicit Constants(const Modulus& m)
        : q(all(m.q)), twice(all(2 * m.q)), minus(ring::minus(m)), inverse52(all(m.inverse52)) {}
    Reg q, twice, minus, inverse52;
  };

  static Reg load(const Word* a) { return ring::load(a); }
  static void store(Word* a, Reg x) { ring::store(a, x); }
  static Twiddle twiddle(Word w, Word w52) { return {all(w), all(w52)}; }

  static Reg enter(Reg x, const Constants&) { return x; }
  static Reg shift(Word more) { return all(more); }
  static Reg accept(Reg x, Reg shift, const Constants& c) {
    return reduced_lazily(_mm512_add_epi64(x, shift), c.inverse52, c.minus);
  }

  // From below 4q to below 4q.
  static void forward(Reg& x, Reg& y, Twiddle w, const Constants& c) {
    const Reg kept = reduced_once(x, c.twice);
    const Reg turned = multiply_by_lazily(y, w.w, w.w52, c.minus);
    x = _mm512_add_epi64(kept, turned);
    y = _mm512_add_epi64(_mm512_sub_epi64(kept, turned), c.twice);
  }

  // From below 2q to below 2q.
  static void inverse(Reg& x, Reg& y, Twiddle w, const Constants& c) {
    const Reg difference = _mm512_add_epi64(_mm512_sub_epi64(x, y), c.twice);
    x = reduced_once(_mm512_add_epi64(x, y), c.twice);
    y = multiply_by_lazily(difference, w.w, w.w52, c.minus);
  }

  // The residue of what is below 4q.
  static Reg leave(Reg x, const Constants& c) {
    return reduced_once(reduced_once(x, c.twice), c.q);
  }
  static Reg leave_scaled(Reg x, Twiddle w, const Constants& c) {
    return reduced_once(multiply_by_lazily(x, w.w, w.w52, c.minus), c.q);
  }

  // The roots of the stages whose pairs are 8, 4, 2 and 1 apart.
  static Twiddle two(const Word* w, const Word* w52, std::size_t r) {
    const Reg spread = _mm512_setr_epi64(0, 0, 0, 0, 1, 1, 1, 1);
    const auto pair = [&](const Word* a) {
      const __m128i low = _mm_loadu_si128(reinterpret_cast<const __m128i*>(a + r));
      return _mm512_permutexvar_epi64(spread, _mm512_castsi128_si512(low));
    };
    return {pair(w), pair(w52)};
  }
  static Twiddle four(const Word* w, const Word* w52, std::size_t r) {
    const Reg spread = _mm512_setr_epi64(0, 0, 1, 1, 2, 2, 3, 3);
    const auto quad = [&](const Word* a) {
      const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a + r));
      return _mm512_permutexvar_epi64(spread, _mm512_castsi256_si512(low));
    };
    return {quad(w), quad(w52)};
  }
  static Twiddle eight(const Word* w, const Word* w52, std::size_t r) {
    return {ring::load(w + r), ring::load(w52 + r)};
  }

  static void exchange(Reg& x, Reg& y, Reg low, Reg high) {
    const Reg a = _mm512_permutex2var_epi64(x, low, y);
    y = _mm512_permutex2var_epi64(x, high, y);
    x = a;
  }

  // Changes between pairs 8 and 4 apart, 4 and 2 apart (both are their own inverses), and 2 and 1.
  static void halves(Reg& x, Reg& y) {
    const Reg low = _mm512_setr_epi64(0, 1, 2, 3, 8, 9, 10, 11);
    const Reg high = _mm512_setr_epi64(4, 5, 6, 7, 12, 13, 14, 15);
    exchange(x, y, low, high);
  }
  static void quarters(Reg& x, Reg& y) {
    const Reg low = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13);
    const Reg high = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
    exchange(x, y, low, high);
  }
  static void eighths(Reg& x, Reg& y) {
    const Reg a = _mm512_unpacklo_epi64(x, y);
    y = _mm512_unpackhi_epi64(x, y);
    x = a;
  }

  template <std::size_t kAtOnce>
  static void forward_tail(Word* a, const TransformTable& t, std::size_t r, const Constants& c) {
    forward_tail_of<Eight, kAtOnce>(a, t, r, c);
  }

  template <class V, std::size_t kAtOnce>
  static void forward_tail_of(Word* a, const TransformTable& t, std::size_t r, const Constants& c) {
    const Word *w = t.roots.data(), *w52 = t.companions.data();
    Reg x[kAtOnce], y[kAtOnce];
    each<kAtOnce>([&](std::size_t k) {
      x[k] = load(a + 16 * k), y[k] = load(a + 16 * k + 8);
      V::forward(x[k], y[k], twiddle(w[r + k], w52[r + k]), c);
    });
    each<kAtOnce>([&](std::size_t k) {
      halves(x[k], y[k]), V::forward(x[k], y[k], two(w, w52, 2 * (r + k)), c);
    });
    each<kAtOnce>([&](std::size_t k) {
      quarters(x[k], y[k]), V::forward(x[k], y[k], four(w, w52, 4 * (r + k)), c);
    });
    each<kAtOnce>([&](std::size_t k) {
      eighths(x[k], y[k]), V::forward(x[k], y[k], eight(w, w52, 8 * (r + k)), c);
    });
    const Reg low = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
    const Reg high = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
    each<kAtOnce>([&](std::size_t k) {
      x[k] = V::leave(x[k], c), y[k] = V::leave(y[k], c);
      store(a + 16 * k, _mm512_permutex2var_epi64(x[k], low, y[k]));
      store(a + 16 * k + 8, _mm512_permutex2var_epi64(x[k], high, y[k]));
    });
  }

  template <std::size_t kAtOnce>
  static void inverse_tail(Word* a, const TransformTable& t, std::size_t r, const Constants& c) {
    const Word *w = t.inverse_roots.data(), *w52 = t.inverse_companions.data();
    const Reg even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
    const Reg odd = _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15);
    Reg x[kAtOnce], y[kAtOnce];
    each<kAtOnce>([&](std::size_t k) {
      const Reg first = load(a + 16 * k), second = load(a + 16 * k + 8);
      x[k] = _mm512_permutex2var_epi64(first, even, second);
      y[k] = _mm512_permutex2var_epi64(first, odd, second);
      inverse(x[k], y[k], eight(w, w52, 8 * (r + k)), c);
    });
    each<kAtOnce>([&](std::size_t k) {
      eighths(x[k], y[k]), inverse(x[k], y[k], four(w, w52, 4 * (r + k)), c);
    });
    each<kAtOnce>([&](std::size_t k) {
      quarters(x[k], y[k]), inverse(x[k], y[k], two(w, w52, 2 * (r + k)), c);
    });
    each<kAtOnce>([&](std::size_t k) {
      halves(x[k], y[k]), inverse(x[k], y[k], twiddle(w[r + k], w52[r + k]), c);
      store(a + 16 * k, x[k]), store(a + 16 * k + 8, y[k]);
    });
  }
};

Factor factor(Word w, const Modulus& m) {
  return {w, static_cast<Word>((Wide{w} << kLimbBits) / m.q)};
}

// For primes so small that a sum of 2q for each stage stays below 2^52: nothing is reduced before
// the end, and words below 2^50 need not be at the beginning.
struct EightOfSmall : Eight {
  static constexpr int kMostBits = 46;  // 17 stages: below 2^50 + 35q < 2^52

  static Reg accept(Reg x, Reg shift, const Constants&) { return _mm512_add_epi64(x, shift); }

  // Multiplications read the lowest 52 bits of a word alone, so what lies above is left there to
  // the end: sums and differences carry it along.
  static void forward(Reg& x, Reg& y, Twiddle w, const Constants& c) {
    const Reg zero = _mm512_setzero_si512();
    const Reg quotient = _mm512_madd52hi_epu64(zero, y, w.w52);
    const Reg low = _mm512_madd52lo_epu64(zero, y, w.w);
    const Reg turned = _mm512_madd52lo_epu64(low, quotient, c.minus);
    y = _mm512_add_epi64(_mm512_sub_epi64(x, turned), c.twice);
    x = _mm512_add_epi64(x, turned);
  }

  // The residue of a number whose lowest 52 bits are right, below 2^52.
  static Reg leave(Reg x, const Constants& c) {
    return reduced_once(reduced_lazily(lowest_limb(x), c.inverse52, c.minus), c.q);
  }

  template <std::size_t kAtOnce>
  static void forward_tail(Word* a, const TransformTable& t, std::size_t r, const Constants& c) {
    forward_tail_of<EightOfSmall, kAtOnce>(a, t, r, c);
  }
};

void forward(Word* a, const TransformTable& t) {
  if (t.modulus.bits <= EightOfSmall::kMostBits)
    Transform<EightOfSmall>(t).forward(a, a);
  else
    Transform<Eight>(t).forward(a, a);
}

void forward_any(Word* out, const Word* x, Word more, const TransformTable& t) {
  if (t.modulus.bits <= EightOfSmall::kMostBits)
    Transform<EightOfSmall>(t).forward_any(out, x, more);
  else
    Transform<Eight>(t).forward_any(out, x, more);
}

void inverse(Word* a, const TransformTable& t) { Transform<Eight>(t).inverse(a); }

void multiply_rows(Word* out, const Word* x, const Word* y, std::size_t count, const Modulus& m) {
  const Reg q = all(m.q), twice = all(2 * m.q), less = minus(m), barrett = all(m.barrett52);
  const Reg zero = _mm512_setzero_si512();
  const __m128i down = _mm_cvtsi64_si128(m.bits - 2);
  const __m128i up = _mm_cvtsi64_si128(kLimbBits - m.bits + 2);
  for (std::size_t i = 0; i < count; i += 8) {
    const Reg a = load(x + i), b = load(y + i);
    const Reg low = _mm512_madd52lo_epu64(zero, a, b), high = _mm512_madd52hi_epu64(zero, a, b);
    const Reg top = _mm512_or_si512(_mm512_srl_epi64(low, down), _mm512_sll_epi64(high, up));
    const Reg quotient = _mm512_madd52hi_epu64(zero, top, barrett);
    const Reg rest = lowest_limb(_mm512_madd52lo_epu64(low, quotient, less));
    store(out + i, reduced_once(reduced_once(rest, twice), q));
  }
}

void scale(Word* out, const Word* x, Factor w, std::size_t count, const Modulus& m) {
  const Reg q = all(m.q), less = minus(m), value = all(w.value), companion = all(w.companion);
  for (std::size_t i = 0; i < count; i += 8)
    store(out + i, reduced_once(multiply_by_lazily(load(x + i), value, companion, less), q));
}

void subtract_scale(Word* out, const Word* x, const Word* y, Factor w, std::size_t count,
                    const Modulus& m) {
  const Reg q = all(m.q), less = minus(m), value = all(w.value), companion = all(w.companion);
  for (std::size_t i = 0; i < count; i += 8) {
    const Reg difference = _mm512_sub_epi64(_mm512_add_epi64(load(x + i), q), load(y + i));
    store(out + i, reduced_once(multiply_by_lazily(difference, value, companion, less), q));
  }
}

void reduce_rows(Word* out, const Word* x, std::size_t count, const Modulus& m) {
  const Reg q = all(m.q), less = minus(m), inverse52 = all(m.inverse52);
  for (std::size_t i = 0; i < count; i += 8)
    store(out + i, reduced_once(reduced_lazily(load(x + i), inverse52, less), q));
}

// Sums of the two halves of products below 2^100, 52 bits and 48: so many that the high halves and
// what the low ones carry stay below 2^52.
class Sums {
 public:
  explicit Sums(const Modulus& m)
      : q_(all(m.q)),
        twice_(all(2 * m.q)),
        minus_(minus(m)),
        limb_(all(m.limb)),
        limb52_(all(m.limb52)),
        inverse52_(all(m.inverse52)) {}

  static constexpr std::size_t kMost = 15;

  // low below kMost · 2^52 and high below kMost · 2^48.
  Reg reduced(Reg low, Reg high) const {
    high = _mm512_add_epi64(high, _mm512_srli_epi64(low, kLimbBits));
    const Reg small = reduced_lazily(lowest_limb(low), inverse52_, minus_);
    const Reg large = multiply_by_lazily(high, limb_, limb52_, minus_);
    return reduced_once(reduced_once(_mm512_add_epi64(small, large), twice_), q_);
  }

  Reg add(Reg x, Reg y) const { return reduced_once(_mm512_add_epi64(x, y), q_); }

 private:
  Reg q_, twice_, minus_, limb_, limb52_, inverse52_;
};

// Places whose sums are kept near while one row after the other is read: runs that are long enough
// for the processor to fetch ahead, since keys are larger than any cache.
constexpr std::size_t kRun = 2048;

// The halves of the sums of products of one run.
struct Halves {
  alignas(64) Word low[kRun], high[kRun];
};

// Adds the products of some rows from the k-th on, `count` places from i on.
template <int rows, class Second>
void add_products(Halves& sums, std::span<const Word* const> x, const Second& second, std::size_t k,
                  std::size_t i, std::size_t count) {
  for (std::size_t v = 0; v < count; v += 8) {
    Reg low = load(sums.low + v), high = load(sums.high + v);
    for (int r = 0; r < rows; ++r) {
      const Reg a = load(x[k + r] + i + v), b = second(k + r, i + v);
      low = _mm512_madd52lo_epu64(low, a, b);
      high = _mm512_madd52hi_epu64(high, a, b);
    }
    store(sums.low + v, low);
    store(sums.high + v, high);
  }
}

template <class Second>
void sum_products(Word* out, std::span<const Word* const> x, const Second& second, std::size_t all,
                  const Modulus& m, bool onto) {
  const Sums sums(m);
  Halves halves;
  for (std::size_t i = 0; i < all; i += kRun) {
    const std::size_t count = all - i < kRun ? all - i : kRun;
    for (std::size_t k = 0; k < x.size();) {
      const bool first = k == 0 && !onto;
      const std::size_t end = x.size() - k < Sums::kMost ? x.size() : k + Sums::kMost;
      for (std::size_t v = 0; v < count; v += 8)
        store(halves.low + v, _mm512_setzero_si512()),
            store(halves.high + v, _mm512_setzero_si512());
      for (; k + 4 <= end; k += 4) add_products<4>(halves, x, second, k, i, count);
      if (k + 2 <= end) add_products<2>(halves, x, second, k, i, count), k += 2;
      if (k < end) add_products<1>(halves, x, second, k, i, count), k += 1;
      for (std::size_t v = 0; v < count; v += 8) {
        const Reg more = sums.reduced(load(halves.low + v), load(halves.high + v));
        store(out + i + v, first ? more : sums.add(load(out + i + v), more));
      }
    }
  }
}

// Asks for what the next run needs, while this one is computed. After the last run that lies beyond
// the end, where nothing comes of it.
void fetch_next(const Word* a) {
  const auto next = reinterpret_cast<std::uintptr_t>(a) + kRun * sizeof(Word);
  _mm_prefetch(reinterpret_cast<const char*>(next), _MM_HINT_T1);
}

// Adds the products of some rows from the k-th on, and those with other factors.
template <int rows>
void add_products_twice(Halves& sums, Halves& other_sums, std::span<const Word* const> x,
                        std::span<const Word* const> y, std::span<const Word* const> other_y,
                        std::size_t k, std::size_t i, std::size_t count) {
  for (std::size_t v = 0; v < count; v += 8) {
    Reg low = load(sums.low + v), high = load(sums.high + v);
    Reg other_low = load(other_sums.low + v), other_high = load(other_sums.high + v);
    for (int r = 0; r < rows; ++r) {
      const Reg a = load(x[k + r] + i + v), b = load(y[k + r] + i + v);
      const Reg c = load(other_y[k + r] + i + v);
      fetch_next(y[k + r] + i + v), fetch_next(other_y[k + r] + i + v);
      low = _mm512_madd52lo_epu64(low, a, b);
      high = _mm512_madd52hi_epu64(high, a, b);
      other_low = _mm512_madd52lo_epu64(other_low, a, c);
      other_high = _mm512_madd52hi_epu64(other_high, a, c);
    }
    store(sums.low + v, low), store(sums.high + v, high);
    store(other_sums.low + v, other_low), store(other_sums.high + v, other_high);
  }
}

// Reads the factors that both sums share once.
void dot_twice(const TwoRows& rows, std::span<const Word* const> x, std::span<const Word* const> y,
               std::span<const Word* const> other_y, std::size_t all, const Modulus& m) {
  const Sums sums(m);
  const Reg zero = _mm512_setzero_si512();
  Halves halves, others;
  for (std::size_t i = 0; i < all; i += kRun) {
    const std::size_t count = std::min(all - i, kRun);
    const Word *from = rows.from, *other_from = rows.other_from;
    for (std::size_t k = 0; k < x.size();) {
      const std::size_t end = std::min(x.size(), k + Sums::kMost);
      for (std::size_t v = 0; v < count; v += 8) {
        store(halves.low + v, zero), store(halves.high + v, zero);
        store(others.low + v, zero), store(others.high + v, zero);
      }
      for (; k + 4 <= end; k += 4)
        add_products_twice<4>(halves, others, x, y, other_y, k, i, count);
      for (; k + 2 <= end; k += 2)
        add_products_twice<2>(halves, others, x, y, other_y, k, i, count);
      for (; k < end; ++k) add_products_twice<1>(halves, others, x, y, other_y, k, i, count);
      for (std::size_t v = 0; v < count; v += 8) {
        const Reg more = sums.reduced(load(halves.low + v), load(halves.high + v));
        const Reg other = sums.reduced(load(others.low + v), load(others.high + v));
        store(rows.out + i + v, sums.add(load(from + i + v), more));
        store(rows.other_out + i + v, sums.add(load(other_from + i + v), other));
      }
      from = rows.out, other_from = rows.other_out;
    }
  }
}

struct OtherRows {
  std::span<const Word* const> y;
  Reg operator()(std::size_t k, std::size_t i) const { return load(y[k] + i); }
};

struct Weights {
  std::span<const Factor> w;
  Reg operator()(std::size_t k, std::size_t) const { return all(w[k].value); }
};

void dot(Word* out, std::span<const Word* const> x, std::span<const Word* const> y,
         std::size_t count, const Modulus& m, bool onto) {
  sum_products(out, x, OtherRows{y}, count, m, onto);
}

void weigh(Word* out, std::span<const Word* const> x, std::span<const Factor> w, std::size_t count,
           const Modulus& m) {
  sum_products(out, x, Weights{w}, count, m, false);
}

// The low bits of a place are the high bits of an exponent, in reverse; an automorphism multiplies
// exponents by an odd number, so eight neighbours that differ in these alone stay neighbours.
void permute_row(Word* out, const Word* x, const std::uint32_t* places, std::size_t count) {
  for (std::size_t i = 0; i < count; i += 8) {
    const __m256i from = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(places + i));
    const Reg eight = load(x + (places[i] & ~std::uint32_t{7}));
    store(out + i, _mm512_permutexvar_epi64(_mm512_cvtepu32_epi64(from), eight));
  }
}

}  // namespace

const Kernels* avx512_kernels() {
  static constexpr Kernels kKernels = kernels_named("avx512", dot_twice);
  static const bool able = __builtin_cpu_supports("avx512f") &&
                           __builtin_cpu_supports("avx512vl") &&
                           __builtin_cpu_supports("avx512ifma");
  return able ? &kKernels : nullptr;
}

}  // namespace confide::ring

#else

namespace confide::ring {
const Kernels* avx512_kernels() { return nullptr; }
}  // namespace confide::ring

#endif
