// Loops that a compiler makes fast by itself, for each path's own instructions.
#pragma once

#include "kernels.hpp"

namespace confide::ring {
namespace {  // one copy for each path

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

}  // namespace
}  // namespace confide::ring
