// AVX2 and FMA: four residues at a time, in floating point.
//
// AVX2 has no product of 64-bit words, but a fused multiply-add gives both halves of a product of
// doubles exactly (van der Hoeven, Lecerf and Quintin 2016, §3.2): with h = x·w rounded and
// l = x·w - h exact, and b the integer nearest to x·w/q up to an error below 1, the difference
// h - b·q is a whole number below 2^52, so exact as well, and so is its sum with l. Residues are
// kept as whole doubles of either sign, below 2^52 in size.
#include "kernels.hpp"

#if defined(CONFIDE_AVX2)
#include <immintrin.h>

#include <bit>

#include "loops.hpp"
#include "transform.hpp"

namespace confide::ring {
namespace {

using Reg = __m256d;

constexpr double kMagic = 0x1p52;  // its last place is one

Reg all(double x) { return _mm256_set1_pd(x); }
Reg load_reals(const Word* a) { return _mm256_loadu_pd(reinterpret_cast<const double*>(a)); }
void store_reals(Word* a, Reg x) { _mm256_storeu_pd(reinterpret_cast<double*>(a), x); }

// Words below 2^52 to doubles, and back.
Reg from_words(__m256i x) {
  const Reg magic = all(kMagic);
  return _mm256_sub_pd(_mm256_or_pd(_mm256_castsi256_pd(x), magic), magic);
}
__m256i to_words(Reg x) {
  const Reg magic = all(kMagic);
  return _mm256_castpd_si256(_mm256_xor_pd(_mm256_add_pd(x, magic), magic));
}
Reg load(const Word* a) {
  return from_words(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(a)));
}

struct Constants {
  explicit Constants(const Modulus& m) : q(all(m.real)), reciprocal(all(m.reciprocal)) {}
  Reg q, reciprocal;
};

struct Twiddle {
  Reg w, over_q;
};

Reg nearest(Reg x) { return _mm256_round_pd(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }

// x · w modulo q, at most 1.1·q in size, where `quotient` is x·w/q up to an error below 0.6.
Reg remainder(Reg x, Reg w, Reg quotient, const Constants& c) {
  const Reg high = _mm256_mul_pd(x, w);
  const Reg low = _mm256_fmsub_pd(x, w, high);
  return _mm256_add_pd(_mm256_fnmadd_pd(nearest(quotient), c.q, high), low);
}

Reg multiply_by(Reg x, Twiddle w, const Constants& c) {
  return remainder(x, w.w, _mm256_mul_pd(x, w.over_q), c);
}

// x modulo q, at most q/2 and a little in size.
Reg centred(Reg x, const Constants& c) {
  return _mm256_fnmadd_pd(nearest(_mm256_mul_pd(x, c.reciprocal)), c.q, x);
}

// The residue of what is at most 1.1·q in size.
Reg residue(Reg x, const Constants& c) {
  const Reg zero = _mm256_setzero_pd();
  x = _mm256_sub_pd(x, _mm256_and_pd(_mm256_cmp_pd(x, c.q, _CMP_GE_OQ), c.q));
  x = _mm256_add_pd(x, _mm256_and_pd(_mm256_cmp_pd(x, zero, _CMP_LT_OQ), c.q));
  // What was below -q takes another.
  return _mm256_add_pd(x, _mm256_and_pd(_mm256_cmp_pd(x, zero, _CMP_LT_OQ), c.q));
}

void store(Word* a, Reg x) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(a), to_words(x)); }

struct Four {
  static constexpr std::size_t lanes = 4, tails = 2;
  using Twiddle = ring::Twiddle;
  using Constants = ring::Constants;

  // Between stages the array holds doubles.
  static Reg load(const Word* a) { return load_reals(a); }
  static void store(Word* a, Reg x) { store_reals(a, x); }
  static Reg enter(Reg x, const Constants&) { return from_words(_mm256_castpd_si256(x)); }
  static Reg shift(Word more) { return all(static_cast<double>(more)); }
  static Reg accept(Reg x, Reg shift, const Constants& c) {
    return centred(_mm256_add_pd(enter(x, c), shift), c);
  }

  static Twiddle twiddle(Word w, Word over_q) {
    return {all(std::bit_cast<double>(w)), all(std::bit_cast<double>(over_q))};
  }

  // From at most 1.7·q in size to at most 1.7·q.
  static void forward(Reg& x, Reg& y, Twiddle w, const Constants& c) {
    const Reg kept = centred(x, c), turned = multiply_by(y, w, c);
    x = _mm256_add_pd(kept, turned);
    y = _mm256_sub_pd(kept, turned);
  }

  // From at most 1.1·q in size to at most 1.1·q.
  static void inverse(Reg& x, Reg& y, Twiddle w, const Constants& c) {
    const Reg difference = _mm256_sub_pd(x, y);
    x = centred(_mm256_add_pd(x, y), c);
    y = multiply_by(difference, w, c);
  }

  static Reg leave(Reg x, const Constants& c) {
    return _mm256_castsi256_pd(to_words(residue(centred(x, c), c)));
  }
  static Reg leave_scaled(Reg x, Twiddle w, const Constants& c) {
    return leave(multiply_by(x, w, c), c);
  }

  static Twiddle two(const Word* w, const Word* over_q, std::size_t r) {
    const auto pair = [&](const Word* a) {
      const __m128d low = _mm_loadu_pd(reinterpret_cast<const double*>(a + r));
      return _mm256_permute4x64_pd(_mm256_castpd128_pd256(low), 0x50);
    };
    return {pair(w), pair(over_q)};
  }
  static Twiddle four(const Word* w, const Word* over_q, std::size_t r) {
    return {load_reals(w + r), load_reals(over_q + r)};
  }

  // Changes between pairs 4 and 2 apart (its own inverse), and 2 and 1 apart.
  static void halves(Reg& x, Reg& y) {
    const Reg a = _mm256_permute2f128_pd(x, y, 0x20);
    y = _mm256_permute2f128_pd(x, y, 0x31);
    x = a;
  }
  static void quarters(Reg& x, Reg& y) {
    const Reg a = _mm256_unpacklo_pd(x, y);
    y = _mm256_unpackhi_pd(x, y);
    x = a;
  }

  template <std::size_t kAtOnce>
  static void forward_tail(Word* a, const TransformTable& t, std::size_t r, const Constants& c) {
    const Word *w = t.roots.data(), *over_q = t.companions.data();
    Reg x[kAtOnce], y[kAtOnce];
    each<kAtOnce>([&](std::size_t k) {
      x[k] = load(a + 8 * k), y[k] = load(a + 8 * k + 4);
      forward(x[k], y[k], twiddle(w[r + k], over_q[r + k]), c);
    });
    each<kAtOnce>([&](std::size_t k) {
      halves(x[k], y[k]), forward(x[k], y[k], two(w, over_q, 2 * (r + k)), c);
    });
    each<kAtOnce>([&](std::size_t k) {
      quarters(x[k], y[k]), forward(x[k], y[k], four(w, over_q, 4 * (r + k)), c);
    });
    each<kAtOnce>([&](std::size_t k) {
      x[k] = leave(x[k], c), y[k] = leave(y[k], c);
      const Reg low = _mm256_unpacklo_pd(x[k], y[k]), high = _mm256_unpackhi_pd(x[k], y[k]);
      store(a + 8 * k, _mm256_permute2f128_pd(low, high, 0x20));
      store(a + 8 * k + 4, _mm256_permute2f128_pd(low, high, 0x31));
    });
  }

  template <std::size_t kAtOnce>
  static void inverse_tail(Word* a, const TransformTable& t, std::size_t r, const Constants& c) {
    const Word *w = t.inverse_roots.data(), *over_q = t.inverse_companions.data();
    Reg x[kAtOnce], y[kAtOnce];
    each<kAtOnce>([&](std::size_t k) {
      x[k] = ring::load(a + 8 * k), y[k] = ring::load(a + 8 * k + 4);
      halves(x[k], y[k]), quarters(x[k], y[k]);
      inverse(x[k], y[k], four(w, over_q, 4 * (r + k)), c);
    });
    each<kAtOnce>([&](std::size_t k) {
      quarters(x[k], y[k]), inverse(x[k], y[k], two(w, over_q, 2 * (r + k)), c);
    });
    each<kAtOnce>([&](std::size_t k) {
      halves(x[k], y[k]), inverse(x[k], y[k], twiddle(w[r + k], over_q[r + k]), c);
      store(a + 8 * k, x[k]), store(a + 8 * k + 4, y[k]);
    });
  }
};

Factor factor(Word w, const Modulus& m) {
  const auto value = static_cast<double>(w);
  return {std::bit_cast<Word>(value), std::bit_cast<Word>(value / m.real)};
}

void forward(Word* a, const TransformTable& t) { Transform<Four>(t).forward(a, a); }

void forward_any(Word* out, const Word* x, Word more, const TransformTable& t) {
  Transform<Four>(t).forward_any(out, x, more);
}

void inverse(Word* a, const TransformTable& t) { Transform<Four>(t).inverse(a); }

void multiply_rows(Word* out, const Word* x, const Word* y, std::size_t count, const Modulus& m) {
  const Constants c(m);
  for (std::size_t i = 0; i < count; i += 4) {
    const Reg a = load(x + i), b = load(y + i);
    const Reg quotient = _mm256_mul_pd(_mm256_mul_pd(a, b), c.reciprocal);
    store(out + i, residue(remainder(a, b, quotient, c), c));
  }
}

void scale(Word* out, const Word* x, Factor w, std::size_t count, const Modulus& m) {
  const Constants c(m);
  const Twiddle by = Four::twiddle(w.value, w.companion);
  for (std::size_t i = 0; i < count; i += 4)
    store(out + i, residue(multiply_by(load(x + i), by, c), c));
}

void subtract_scale(Word* out, const Word* x, const Word* y, Factor w, std::size_t count,
                    const Modulus& m) {
  const Constants c(m);
  const Twiddle by = Four::twiddle(w.value, w.companion);
  for (std::size_t i = 0; i < count; i += 4)
    store(out + i, residue(multiply_by(_mm256_sub_pd(load(x + i), load(y + i)), by, c), c));
}

void reduce_rows(Word* out, const Word* x, std::size_t count, const Modulus& m) {
  const Constants c(m);
  for (std::size_t i = 0; i < count; i += 4) store(out + i, residue(centred(load(x + i), c), c));
}

// Adds up remainders, two at a time, and makes the sum small again before three of them could pass
// 2^52. Sums stay near while one row after the other is read, in runs that are long enough for the
// processor to fetch ahead, since keys are larger than any cache.
template <class Second>
void sum_products(Word* out, std::span<const Word* const> x, const Second& second, std::size_t all,
                  const Modulus& m, bool onto) {
  constexpr std::size_t kRun = 2048;
  const Constants c(m);
  alignas(32) double sums[kRun];
  for (std::size_t i = 0; i < all; i += kRun) {
    const std::size_t count = all - i < kRun ? all - i : kRun;
    for (std::size_t v = 0; v < count; v += 4)
      _mm256_store_pd(sums + v, onto ? load(out + i + v) : _mm256_setzero_pd());
    for (std::size_t k = 0; k < x.size(); k += 2) {
      const bool both = k + 1 < x.size();
      for (std::size_t v = 0; v < count; v += 4) {
        Reg sum = _mm256_load_pd(sums + v);
        sum = _mm256_add_pd(sum, second(load(x[k] + i + v), k, i + v, c));
        if (both) sum = _mm256_add_pd(sum, second(load(x[k + 1] + i + v), k + 1, i + v, c));
        _mm256_store_pd(sums + v, centred(sum, c));
      }
    }
    for (std::size_t v = 0; v < count; v += 4)
      store(out + i + v, residue(_mm256_load_pd(sums + v), c));
  }
}

void dot(Word* out, std::span<const Word* const> x, std::span<const Word* const> y,
         std::size_t count, const Modulus& m, bool onto) {
  const auto times = [&](Reg a, std::size_t k, std::size_t i, const Constants& c) {
    const Reg b = load(y[k] + i);
    return remainder(a, b, _mm256_mul_pd(_mm256_mul_pd(a, b), c.reciprocal), c);
  };
  sum_products(out, x, times, count, m, onto);
}

void weigh(Word* out, std::span<const Word* const> x, std::span<const Factor> w, std::size_t count,
           const Modulus& m) {
  const auto times = [&](Reg a, std::size_t k, std::size_t, const Constants& c) {
    return multiply_by(a, Four::twiddle(w[k].value, w[k].companion), c);
  };
  sum_products(out, x, times, count, m, false);
}

void permute_row(Word* out, const Word* x, const std::uint32_t* places, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) out[i] = x[places[i]];
}

}  // namespace

const Kernels* avx2_kernels() {
  static constexpr Kernels kKernels = kernels_named("avx2", dots_apart);
  static const bool able = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return able ? &kKernels : nullptr;
}

}  // namespace confide::ring

#else

namespace confide::ring {
const Kernels* avx2_kernels() { return nullptr; }
}  // namespace confide::ring

#endif
