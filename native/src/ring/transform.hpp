// The negacyclic number-theoretic transform, once, for vectors of any width.
//
// Forward: Cooley–Tukey from natural to bit-reversed order; inverse: Gentleman–Sande and back
// (Longa and Naehrig 2016, Algorithms 1 and 2), with the lazy butterflies of Harvey (2014). Two
// stages at a time go over memory once, and once a block fits the first cache it is finished before
// the next one is begun. The last stages, whose pairs lie within a vector, are the vector's own.
//
// A vector type V has, besides `lanes` (a power of two), registers `Reg`, and `tails`, how many
// blocks of 2·lanes elements it finishes side by side, since one alone would wait for its own
// results:
//   Twiddle, Constants                       what a butterfly needs
//   load, store, twiddle                     memory; one root for all lanes
//   enter                                    residues to V's own form
//   shift, accept                            a residue to be added; words below 2^50, with that
//                                            added, to V's own form
//   forward(x, y, w, c), inverse(x, y, w, c) butterflies in place
//   forward_tail                             the stages of 2·lanes elements, and back to residues
//   inverse_tail                             from residues, the stages of 2·lanes elements
//   leave_scaled                             times a root, and back to residues
#pragma once

#include <cstddef>
#include <utility>

#include "kernels.hpp"

namespace confide::ring {

// One step of several blocks, before the next step of any.
template <std::size_t kAtOnce, class Step>
[[gnu::always_inline]] inline void each(const Step& step) {
  [&]<std::size_t... k>(std::index_sequence<k...>) {
    (step(k), ...);
  }(std::make_index_sequence<kAtOnce>{});
}

template <class V>
class Transform {
 public:
  explicit Transform(const TransformTable& table)
      : table_(table), c_(table.modulus), degree_(table.degree) {}

  // a may be `from`, which holds residues.
  void forward(Word* a, const Word* from) const {
    forward_taking(a, from, [this](auto x) { return V::enter(x, c_); });
  }

  // From words below 2^50, of which the transform is that of their residues, plus a residue.
  void forward_any(Word* a, const Word* from, Word more) const {
    const auto shift = V::shift(more);
    forward_taking(a, from, [&](auto x) { return V::accept(x, shift, c_); });
  }

  void inverse(Word* a) const {
    std::size_t outer = 1;
    while (degree_ / outer > kBlock && degree_ / outer >= 8 * V::lanes) outer *= 4;
    for (std::size_t block = 0; block < outer; ++block) inverse_block(a, outer, block);
    for (std::size_t groups = outer; groups > 1;) {
      groups /= 4;
      for (std::size_t g = 0; g < groups; ++g) inverse_twice(a, groups, g);
    }
    const auto scale = V::twiddle(table_.inverse_degree, table_.inverse_degree_companion);
    for (std::size_t i = 0; i < degree_; i += V::lanes)
      V::store(a + i, V::leave_scaled(V::load(a + i), scale, c_));
  }

 private:
  static constexpr std::size_t kBlock = 2048;  // 16 KiB

  template <class Take>
  void forward_taking(Word* a, const Word* from, const Take& take) const {
    std::size_t groups = 1;
    const auto too_large = [&] {
      return degree_ / groups > kBlock && degree_ / groups >= 8 * V::lanes;
    };
    // Passes over the whole array, while a block is too large for the cache; the first one takes
    // in.
    if (too_large()) {
      forward_twice(a, from, groups, 0, take);
      groups *= 4;
    } else {
      for (std::size_t i = 0; i < degree_; i += V::lanes) V::store(a + i, take(V::load(from + i)));
    }
    for (; too_large(); groups *= 4)
      for (std::size_t g = 0; g < groups; ++g) forward_twice(a, groups, g);
    for (std::size_t block = 0; block < groups; ++block) forward_block(a, groups, block);
  }

  // All stages of one block of degree_ / outer elements.
  void forward_block(Word* a, std::size_t outer, std::size_t block) const {
    std::size_t groups = outer, first = block, many = 1;
    const auto length = [&] { return degree_ / groups; };
    while (length() >= 8 * V::lanes) {
      for (std::size_t g = first; g < first + many; ++g) forward_twice(a, groups, g);
      groups *= 4, first *= 4, many *= 4;
    }
    if (length() == 4 * V::lanes) {
      for (std::size_t g = first; g < first + many; ++g) forward_once(a, groups, g);
      groups *= 2, first *= 2, many *= 2;
    }
    // Blocks of two vectors are left.
    tails(a, first, many, [&]<std::size_t kAtOnce>(Word* x, std::size_t g) {
      V::template forward_tail<kAtOnce>(x, table_, groups + g, c_);
    });
  }

  void inverse_block(Word* a, std::size_t outer, std::size_t block) const {
    std::size_t groups = degree_ / (2 * V::lanes);
    std::size_t many = groups / outer, first = block * many;
    tails(a, first, many, [&]<std::size_t kAtOnce>(Word* x, std::size_t g) {
      V::template inverse_tail<kAtOnce>(x, table_, groups + g, c_);
    });
    int stages = 0;
    for (std::size_t n = groups; n > outer; n /= 2) ++stages;
    if (stages % 2) {
      groups /= 2, many /= 2, first /= 2;
      for (std::size_t g = first; g < first + many; ++g) inverse_once(a, groups, g);
    }
    while (groups > outer) {
      groups /= 4, many /= 4, first /= 4;
      for (std::size_t g = first; g < first + many; ++g) inverse_twice(a, groups, g);
    }
  }

  template <class Tail>
  void tails(Word* a, std::size_t first, std::size_t many, const Tail& tail) const {
    std::size_t g = first;
    for (; g + V::tails <= first + many; g += V::tails)
      tail.template operator()<V::tails>(a + g * 2 * V::lanes, g);
    for (; g < first + many; ++g) tail.template operator()<1>(a + g * 2 * V::lanes, g);
  }

  auto root(std::size_t i) const { return V::twiddle(table_.roots[i], table_.companions[i]); }
  auto inverse_root(std::size_t i) const {
    return V::twiddle(table_.inverse_roots[i], table_.inverse_companions[i]);
  }

  template <class Butterfly>
  void once(Word* a, std::size_t groups, std::size_t g, const Butterfly& butterfly) const {
    const std::size_t half = degree_ / groups / 2;
    Word* const x = a + 2 * g * half;
    for (std::size_t i = 0; i < half; i += V::lanes) {
      auto x0 = V::load(x + i), x1 = V::load(x + half + i);
      butterfly(x0, x1);
      V::store(x + i, x0), V::store(x + half + i, x1);
    }
  }

  void forward_once(Word* a, std::size_t groups, std::size_t g) const {
    const auto w = root(groups + g);
    once(a, groups, g, [&](auto& x, auto& y) { V::forward(x, y, w, c_); });
  }

  void forward_twice(Word* a, std::size_t groups, std::size_t g) const {
    forward_twice(a, a, groups, g, [](auto x) { return x; });
  }

  template <class Take>
  void forward_twice(Word* a, const Word* from, std::size_t groups, std::size_t g,
                     const Take& take) const {
    const std::size_t quarter = degree_ / groups / 4;
    const auto w = root(groups + g);
    const auto w0 = root(2 * (groups + g)), w1 = root(2 * (groups + g) + 1);
    Word* const x = a + 4 * g * quarter;
    const Word* const y = from + 4 * g * quarter;
    for (std::size_t i = 0; i < quarter; i += V::lanes) {
      auto x0 = take(V::load(y + i)), x1 = take(V::load(y + quarter + i));
      auto x2 = take(V::load(y + 2 * quarter + i)), x3 = take(V::load(y + 3 * quarter + i));
      V::forward(x0, x2, w, c_), V::forward(x1, x3, w, c_);
      V::forward(x0, x1, w0, c_), V::forward(x2, x3, w1, c_);
      V::store(x + i, x0), V::store(x + quarter + i, x1);
      V::store(x + 2 * quarter + i, x2), V::store(x + 3 * quarter + i, x3);
    }
  }

  void inverse_once(Word* a, std::size_t groups, std::size_t g) const {
    const auto w = inverse_root(groups + g);
    once(a, groups, g, [&](auto& x, auto& y) { V::inverse(x, y, w, c_); });
  }

  // The stages of 2·groups groups and of groups groups.
  void inverse_twice(Word* a, std::size_t groups, std::size_t g) const {
    const std::size_t quarter = degree_ / groups / 4;
    const auto w = inverse_root(groups + g);
    const auto w0 = inverse_root(2 * (groups + g)), w1 = inverse_root(2 * (groups + g) + 1);
    Word* const x = a + 4 * g * quarter;
    for (std::size_t i = 0; i < quarter; i += V::lanes) {
      auto x0 = V::load(x + i), x1 = V::load(x + quarter + i);
      auto x2 = V::load(x + 2 * quarter + i), x3 = V::load(x + 3 * quarter + i);
      V::inverse(x0, x1, w0, c_), V::inverse(x2, x3, w1, c_);
      V::inverse(x0, x2, w, c_), V::inverse(x1, x3, w, c_);
      V::store(x + i, x0), V::store(x + quarter + i, x1);
      V::store(x + 2 * quarter + i, x2), V::store(x + 3 * quarter + i, x3);
    }
  }

  const TransformTable& table_;
  typename V::Constants c_;
  std::size_t degree_;
};

}  // namespace confide::ring
