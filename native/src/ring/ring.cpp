#include "ring.hpp"

#include <bit>
#include <cstring>
#include <set>
#include <stdexcept>

namespace confide::ring {

Ring::Ring(std::size_t degree, std::span<const Word> primes, const Kernels& kernels,
           std::size_t threads)
    : degree_(degree), kernels_(kernels) {
  if (!std::has_single_bit(degree) || degree < kLeastDegree || degree > kMostDegree)
    throw std::invalid_argument("a ring degree is a power of two from 16 to 2^17");
  if (primes.empty() || primes.size() > kMostPrimes)
    throw std::invalid_argument("a ring has 1 to 128 primes");
  if (std::set<Word>(primes.begin(), primes.end()).size() != primes.size())
    throw std::invalid_argument("a prime stands twice");
  tables_.reserve(primes.size());
  for (const Word prime : primes) tables_.emplace_back(degree, Modulus(prime), kernels);
  set_threads(threads);
}

void Ring::set_threads(std::size_t threads) {
  const auto fresh = std::make_shared<Workers>(threads);
  const std::lock_guard lock(mutex_);
  workers_ = fresh;
}

std::shared_ptr<Workers> Ring::workers() const {
  const std::lock_guard lock(mutex_);
  return workers_;
}

const std::vector<std::uint32_t>& Ring::places(std::size_t g) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::uint32_t>& result = places_[g];  // whose address stays
  if (!result.empty()) return result;
  const int bits = std::countr_zero(degree_);
  result.resize(degree_);
  for (std::size_t i = 0; i < degree_; ++i) {
    const std::size_t exponent = (2 * reversed(i, bits) + 1) * g % (2 * degree_);
    result[i] = static_cast<std::uint32_t>(reversed(exponent / 2, bits));
  }
  return result;
}

Word Ring::product(Rows primes, const Modulus& m) const {
  Word product = 1;
  for (const std::size_t prime : primes) product = multiply(product, modulus(prime).q % m.q, m);
  return product;
}

std::vector<std::size_t> joined(Rows rows, Rows others) {
  std::vector<std::size_t> all(rows.begin(), rows.end());
  all.insert(all.end(), others.begin(), others.end());
  return all;
}

void wipe(void* memory, std::size_t bytes) {
  // A call through a volatile pointer cannot be dropped as a store that nobody reads.
  static void* (*const volatile set)(void*, int, std::size_t) = std::memset;
  if (memory != nullptr) set(memory, 0, bytes);
}

Conversion::Conversion(const Ring& ring, Rows from, Rows to)
    : ring_(ring), from_(from.begin(), from.end()), to_(to.begin(), to.end()) {
  const auto product_without = [&](std::size_t i, const Modulus& m) {
    return multiply(ring.product(Rows(from_).first(i), m),
                    ring.product(Rows(from_).subspan(i + 1), m), m);
  };
  // B is odd, so w·B is as odd as w.
  const auto middle = [&](const Modulus& m) {
    const Word whole = multiply(ring.product(from_, m), from_.size() % m.q, m);
    return multiply(subtract(whole, from_.size() % 2, m.q), (m.q + 1) / 2, m);
  };
  for (std::size_t i = 0; i < from_.size(); ++i) {
    const Modulus& m = ring.modulus(from_[i]);
    inverses_.push_back(ring.factor(inverse(product_without(i, m), m), from_[i]));
    middle_from_.push_back(middle(m));
  }
  for (const std::size_t prime : to_) {
    const Modulus& m = ring.modulus(prime);
    std::vector<Factor> weights;
    weights.reserve(from_.size());
    for (std::size_t i = 0; i < from_.size(); ++i)
      weights.push_back(ring.factor(product_without(i, m), prime));
    weights_.push_back(std::move(weights));
    middle_to_.push_back(middle(m));
  }
}

void Conversion::prepare(Word* out, const Word* row, std::size_t i) const {
  const Modulus& m = ring_.modulus(from_[i]);
  ring_.kernels().shift(out, row, middle_from_[i], ring_.degree(), m);
  if (from_.size() > 1) ring_.kernels().scale(out, out, inverses_[i], ring_.degree(), m);
}

void Conversion::raised(Word* out, std::span<const Word* const> prepared, std::size_t j) const {
  const Modulus& m = ring_.modulus(to_[j]);
  if (from_.size() == 1)
    ring_.kernels().reduce(out, prepared[0], ring_.degree(), m);
  else
    ring_.kernels().weigh(out, prepared, weights_[j], ring_.degree(), m);
}

void Conversion::apply(Word* out, std::span<const Word* const> prepared, std::size_t j) const {
  const Modulus& m = ring_.modulus(to_[j]);
  raised(out, prepared, j);
  ring_.kernels().shift(out, out, subtract(0, middle_to_[j], m.q), ring_.degree(), m);
}

}  // namespace confide::ring
