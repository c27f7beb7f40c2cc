// What every path is made of: the kernels that each file defines for its own instructions, and the
// loops that a compiler makes fast for them by itself.
#pragma once

#include <algorithm>

#include "kernels.hpp"

namespace confide::ring {
namespace {  // one copy for each path

Factor factor(Word w, const Modulus& m);
void forward(Word* a, const TransformTable& t);
void forward_any(Word* out, const Word* x, Word more, const TransformTable& t);
void inverse(Word* a, const TransformTable& t);
void multiply_rows(Word* out, const Word* x, const Word* y, std::size_t count, const Modulus& m);
void scale(Word* out, const Word* x, Factor w, std::size_t count, const Modulus& m);
void subtract_scale(Word* out, const Word* x, const Word* y, Factor w, std::size_t count,
                    const Modulus& m);
void reduce_rows(Word* out, const Word* x, std::size_t count, const Modulus& m);
void dot(Word* out, std::span<const Word* const> x, std::span<const Word* const> y,
         std::size_t count, const Modulus& m, bool onto);
void weigh(Word* out, std::span<const Word* const> x, std::span<const Factor> w, std::size_t count,
           const Modulus& m);
void permute_row(Word* out, const Word* x, const std::uint32_t* places, std::size_t count);

void add_rows(Word* out, const Word* x, const Word* y, std::size_t count, const Modulus& m) {
  const Word q = m.q;
  for (std::size_t i = 0; i < count; ++i) {
    const Word sum = x[i] + y[i];
    const Word less = sum - q;
    out[i] = sum < less ? sum : less;
  }
}

void subtract_rows(Word* out, const Word* x, const Word* y, std::size_t count, const Modulus& m) {
  const Word q = m.q;
  for (std::size_t i = 0; i < count; ++i) {
    const Word less = x[i] - y[i];
    const Word more = less + q;
    out[i] = less < more ? less : more;
  }
}

void shift_row(Word* out, const Word* x, Word c, std::size_t count, const Modulus& m) {
  const Word q = m.q;
  for (std::size_t i = 0; i < count; ++i) {
    const Word sum = x[i] + c;
    const Word less = sum - q;
    out[i] = sum < less ? sum : less;
  }
}

[[maybe_unused]] void dots_apart(const TwoRows& rows, std::span<const Word* const> x,
                                 std::span<const Word* const> y,
                                 std::span<const Word* const> other_y, std::size_t count,
                                 const Modulus& m) {
  if (rows.out != rows.from) std::copy_n(rows.from, count, rows.out);
  if (rows.other_out != rows.other_from) std::copy_n(rows.other_from, count, rows.other_out);
  dot(rows.out, x, y, count, m, true);
  dot(rows.other_out, x, other_y, count, m, true);
}

constexpr Kernels kernels_named(const char* name, decltype(Kernels::dot_twice) dot_twice) {
  return {.name = name,
          .factor = factor,
          .forward = forward,
          .forward_any = forward_any,
          .inverse = inverse,
          .add = add_rows,
          .subtract = subtract_rows,
          .multiply = multiply_rows,
          .shift = shift_row,
          .scale = scale,
          .subtract_scale = subtract_scale,
          .reduce = reduce_rows,
          .dot = dot,
          .dot_twice = dot_twice,
          .weigh = weigh,
          .permute = permute_row};
}

}  // namespace
}  // namespace confide::ring
