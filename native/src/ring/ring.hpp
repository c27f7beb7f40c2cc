// Z_Q[X]/(X^N + 1) in residues: polynomials modulo several primes at once.
//
// Rows stand one after another: a polynomial modulo the primes numbered `rows[0], rows[1], ...` of
// a ring is so many rows of N words. In *transformed* form a row holds the polynomial's values at
// the odd powers of a root of unity, in bit-reversed order; products are then place by place. There
// are neither schemes nor secrets here: see secret.hpp for what touches keys.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "kernels.hpp"
#include "stream.hpp"
#include "workers.hpp"

namespace confide::ring {

using Rows = std::span<const std::size_t>;  // which primes

std::vector<std::size_t> joined(Rows rows, Rows others);

class Ring {
 public:
  static constexpr std::size_t kLeastDegree = 16, kMostDegree = std::size_t{1} << 17;
  static constexpr std::size_t kMostPrimes = 128;

  // Primes must differ and be 1 modulo 2·degree. Throws std::invalid_argument.
  Ring(std::size_t degree, std::span<const Word> primes, const Kernels& kernels,
       std::size_t threads);

  std::size_t degree() const { return degree_; }
  std::size_t size() const { return tables_.size(); }
  const Modulus& modulus(std::size_t prime) const { return tables_[prime].modulus; }
  const Kernels& kernels() const { return kernels_; }
  // The product of some primes, modulo m.
  Word product(Rows primes, const Modulus& m) const;

  std::size_t threads() const { return workers()->threads(); }
  // What runs meanwhile keeps the threads that it has.
  void set_threads(std::size_t threads);
  void run(std::size_t count, const std::function<void(std::size_t)>& work) const {
    workers()->run(count, work);
  }

  Factor factor(Word residue, std::size_t prime) const {
    return kernels_.factor(residue, modulus(prime));
  }

  // One row in place, on this thread.
  void forward(Word* row, std::size_t prime) const { kernels_.forward(row, tables_[prime]); }
  void forward_any(Word* out, const Word* row, Word more, std::size_t prime) const {
    kernels_.forward_any(out, row, more, tables_[prime]);
  }
  void inverse(Word* row, std::size_t prime) const { kernels_.inverse(row, tables_[prime]); }

  // The places that X -> X^g gives to transformed values: out[i] = in[places[i]]. For odd g.
  // Computed once for each g.
  const std::vector<std::uint32_t>& places(std::size_t g) const;

 private:
  std::shared_ptr<Workers> workers() const;

  std::size_t degree_;
  const Kernels& kernels_;
  std::vector<TransformTable> tables_;
  mutable std::mutex mutex_;  // of what follows
  std::shared_ptr<Workers> workers_;
  mutable std::map<std::size_t, std::vector<std::uint32_t>> places_;
};

void wipe(void* memory, std::size_t bytes);

// Words that are wiped when released.
class Scratch {
 public:
  explicit Scratch(std::size_t words)
      : words_(LineAllocator<Word>().allocate(words)), size_(words) {}
  ~Scratch() { wipe(words_.get(), size_ * sizeof(Word)); }
  Scratch(Scratch&& other) noexcept : words_(std::move(other.words_)), size_(other.size_) {}

  Word* data() { return words_.get(); }
  const Word* data() const { return words_.get(); }

 private:
  struct Free {
    void operator()(Word* words) const { LineAllocator<Word>().deallocate(words, 0); }
  };

  std::unique_ptr<Word[], Free> words_;
  std::size_t size_;
};

// A seed that is wiped when released.
class SecretSeed {
 public:
  explicit SecretSeed(const Seed& seed) : seed_(seed) {}
  ~SecretSeed() { wipe(seed_.data(), seed_.size()); }
  SecretSeed(const SecretSeed&) = delete;
  SecretSeed& operator=(const SecretSeed&) = delete;
  const Seed& operator*() const { return seed_; }

 private:
  Seed seed_;
};

// A small polynomial, wiped when released.
class SmallScratch {
 public:
  explicit SmallScratch(std::size_t count)
      : words_((count + sizeof(Word) - 1) / sizeof(Word)), count_(count) {}

  std::span<std::int8_t> span() { return {reinterpret_cast<std::int8_t*>(words_.data()), count_}; }

 private:
  Scratch words_;
  std::size_t count_;
};

// From residues modulo w primes, of product B, to others: from [x]_B to a number congruent to x
// that lies about zero, between -w·B/2 and w·B/2 (Halevi, Polyakov and Shoup 2019, §2.2, without
// the correction of multiples of B). It is reached by adding w·B/2 first and taking it away at the
// end.
class Conversion {
 public:
  Conversion(const Ring& ring, Rows from, Rows to);

  // Adds w·B/2 to row i of the source and multiplies it by (B/b_i)^-1; `out` may be `row`.
  void prepare(Word* out, const Word* row, std::size_t i) const;

  // Row j of the target from prepared rows, with w·B/2 still in it.
  void raised(Word* out, std::span<const Word* const> prepared, std::size_t j) const;

  // Row j of the target from prepared rows.
  void apply(Word* out, std::span<const Word* const> prepared, std::size_t j) const;

  std::size_t from() const { return from_.size(); }
  Word middle(std::size_t j) const { return middle_to_[j]; }  // w·B/2 modulo target j

 private:
  const Ring& ring_;
  std::vector<std::size_t> from_, to_;
  std::vector<Factor> inverses_;               // (B/b_i)^-1 mod b_i
  std::vector<Word> middle_from_, middle_to_;  // w·B/2, rounded down, modulo each
  std::vector<std::vector<Factor>> weights_;   // B/b_i mod each target
};

}  // namespace confide::ring
