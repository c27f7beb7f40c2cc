// What each path of instructions provides: transforms and loops over rows of residues.
//
// A row is the residues of one polynomial modulo one prime: `count` words below q, count a multiple
// of 16. Every kernel takes and gives canonical residues, so paths agree bit for bit or one of them
// is wrong; the portable one is the specification.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <vector>

#include "arithmetic.hpp"

namespace confide::ring {

struct Kernels;

// Memory of whole cache lines: a vector that lies across two of them takes twice as long.
inline constexpr std::size_t kLine = 64;

template <class T>
struct LineAllocator {
  using value_type = T;

  LineAllocator() = default;
  template <class Other>
  LineAllocator(const LineAllocator<Other>&) {}  // NOLINT: as the standard has it

  T* allocate(std::size_t count) {
    return static_cast<T*>(::operator new(count * sizeof(T), std::align_val_t{kLine}));
  }
  void deallocate(T* memory, std::size_t) { ::operator delete(memory, std::align_val_t{kLine}); }
  bool operator==(const LineAllocator&) const = default;
};

using Words = std::vector<Word, LineAllocator<Word>>;

// The lowest `bits` bits of i in reverse.
std::size_t reversed(std::size_t i, int bits);

// Roots of one prime, in the order in which the transform uses them, and what a path keeps besides
// each root w to multiply by it (for the portable one floor(w · 2^64 / q)).
struct TransformTable {
  TransformTable(std::size_t degree, const Modulus& modulus, const Kernels& kernels);

  std::size_t degree;
  Modulus modulus;
  Words roots, companions;
  Words inverse_roots, inverse_companions;
  Word inverse_degree = 0, inverse_degree_companion = 0;
};

// A factor and what a path keeps besides it.
struct Factor {
  Word value = 0, companion = 0;
};

// Where two sums begin and where they go.
struct TwoRows {
  Word *out, *other_out;
  const Word *from, *other_from;
};

struct Kernels {
  const char* name;

  // A residue w in a path's own form.
  Factor (*factor)(Word w, const Modulus& m);

  void (*forward)(Word* a, const TransformTable& table);
  // out = transform of the residues of x + more, for x below 2^50 and a residue; out is not x
  void (*forward_any)(Word* out, const Word* x, Word more, const TransformTable& table);
  void (*inverse)(Word* a, const TransformTable& table);

  void (*add)(Word* out, const Word* x, const Word* y, std::size_t count, const Modulus& m);
  void (*subtract)(Word* out, const Word* x, const Word* y, std::size_t count, const Modulus& m);
  void (*multiply)(Word* out, const Word* x, const Word* y, std::size_t count, const Modulus& m);
  // out = x + c
  void (*shift)(Word* out, const Word* x, Word c, std::size_t count, const Modulus& m);
  // out = w · x
  void (*scale)(Word* out, const Word* x, Factor w, std::size_t count, const Modulus& m);
  // out = w · (x - y)
  void (*subtract_scale)(Word* out, const Word* x, const Word* y, Factor w, std::size_t count,
                         const Modulus& m);
  // out = x mod q, for x below 2^50
  void (*reduce)(Word* out, const Word* x, std::size_t count, const Modulus& m);
  // out = sum of x[i] · y[i], added to what out holds if told so
  void (*dot)(Word* out, std::span<const Word* const> x, std::span<const Word* const> y,
              std::size_t count, const Modulus& m, bool onto);
  // out = from + sum of x[i] · y[i], and another with other factors for the same ones; out may
  // be `from`
  void (*dot_twice)(const TwoRows& rows, std::span<const Word* const> x,
                    std::span<const Word* const> y, std::span<const Word* const> other_y,
                    std::size_t count, const Modulus& m);
  // out = sum of w[i] · x[i], for x[i] below 2^50
  void (*weigh)(Word* out, std::span<const Word* const> x, std::span<const Factor> w,
                std::size_t count, const Modulus& m);
  // out[i] = x[places[i]], for the places of an automorphism (see Ring::places)
  void (*permute)(Word* out, const Word* x, const std::uint32_t* places, std::size_t count);
};

const Kernels& portable_kernels();

// Nothing where the processor, or the compiler, cannot.
const Kernels* avx2_kernels();
const Kernels* avx512_kernels();

// Those that this processor can, the fastest first.
std::vector<const Kernels*> available_kernels();

}  // namespace confide::ring
