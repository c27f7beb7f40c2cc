// The specification: whole numbers of 64 and 128 bits, no vectors.
#include "loops.hpp"
#include "transform.hpp"

namespace confide::ring {
namespace {

struct Plain {
  static constexpr std::size_t lanes = 1, tails = 1;
  using Reg = Word;
  struct Twiddle {
    Word w, w64;
  };
  struct Constants {
    explicit Constants(const Modulus& m) : modulus(m), q(m.q), twice(2 * m.q) {}
    const Modulus& modulus;
    Word q, twice;
  };

  static Reg load(const Word* a) { return *a; }
  static void store(Word* a, Reg x) { *a = x; }
  static Twiddle twiddle(Word w, Word w64) { return {w, w64}; }

  static Reg enter(Reg x, const Constants&) { return x; }
  static Reg shift(Word more) { return more; }
  static Reg accept(Reg x, Reg shift, const Constants& c) { return reduce(x + shift, c.modulus); }

  // From below 4q to below 4q.
  static void forward(Reg& x, Reg& y, Twiddle w, const Constants& c) {
    const Word kept = reduced_once(x, c.twice);
    const Word turned = multiply_by_lazily(y, w.w, w.w64, c.q);
    x = kept + turned;
    y = kept - turned + c.twice;
  }

  // From below 2q to below 2q.
  static void inverse(Reg& x, Reg& y, Twiddle w, const Constants& c) {
    const Word difference = x - y + c.twice;
    x = reduced_once(x + y, c.twice);
    y = multiply_by_lazily(difference, w.w, w.w64, c.q);
  }

  static Reg leave_scaled(Reg x, Twiddle w, const Constants& c) {
    return multiply_by(x, w.w, w.w64, c.q);
  }

  template <std::size_t>
  static void forward_tail(Word* a, const TransformTable& t, std::size_t r, const Constants& c) {
    forward(a[0], a[1], twiddle(t.roots[r], t.companions[r]), c);
    for (int i = 0; i < 2; ++i) a[i] = reduced_once(reduced_once(a[i], c.twice), c.q);
  }

  template <std::size_t>
  static void inverse_tail(Word* a, const TransformTable& t, std::size_t r, const Constants& c) {
    inverse(a[0], a[1], twiddle(t.inverse_roots[r], t.inverse_companions[r]), c);
  }
};

Factor factor(Word w, const Modulus& m) { return {w, quotient64(w, m.q)}; }

void forward(Word* a, const TransformTable& t) { Transform<Plain>(t).forward(a, a); }

void forward_any(Word* out, const Word* x, Word more, const TransformTable& t) {
  Transform<Plain>(t).forward_any(out, x, more);
}

void inverse(Word* a, const TransformTable& t) { Transform<Plain>(t).inverse(a); }

void multiply_rows(Word* out, const Word* x, const Word* y, std::size_t count, const Modulus& m) {
  for (std::size_t i = 0; i < count; ++i) out[i] = multiply(x[i], y[i], m);
}

void scale(Word* out, const Word* x, Factor w, std::size_t count, const Modulus& m) {
  for (std::size_t i = 0; i < count; ++i) out[i] = multiply_by(x[i], w.value, w.companion, m.q);
}

void subtract_scale(Word* out, const Word* x, const Word* y, Factor w, std::size_t count,
                    const Modulus& m) {
  for (std::size_t i = 0; i < count; ++i)
    out[i] = multiply_by(x[i] + m.q - y[i], w.value, w.companion, m.q);
}

void reduce_rows(Word* out, const Word* x, std::size_t count, const Modulus& m) {
  for (std::size_t i = 0; i < count; ++i) out[i] = reduce(x[i], m);
}

void dot(Word* out, std::span<const Word* const> x, std::span<const Word* const> y,
         std::size_t count, const Modulus& m, bool onto) {
  for (std::size_t i = 0; i < count; ++i) {
    Wide sum = onto ? out[i] : 0;  // of products below 2^100: no sum in memory reaches 2^128
    for (std::size_t k = 0; k < x.size(); ++k) sum += Wide{x[k][i]} * y[k][i];
    out[i] = reduce_wide(sum, m);
  }
}

void weigh(Word* out, std::span<const Word* const> x, std::span<const Factor> w, std::size_t count,
           const Modulus& m) {
  for (std::size_t i = 0; i < count; ++i) {
    Wide sum = 0;
    for (std::size_t k = 0; k < x.size(); ++k) sum += Wide{x[k][i]} * w[k].value;
    out[i] = reduce_wide(sum, m);
  }
}

void permute_row(Word* out, const Word* x, const std::uint32_t* places, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) out[i] = x[places[i]];
}

}  // namespace

const Kernels& portable_kernels() {
  static constexpr Kernels kKernels = kernels_named("portable", dots_apart);
  return kKernels;
}

}  // namespace confide::ring
