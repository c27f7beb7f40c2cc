#include "kernels.hpp"

#include <bit>
#include <stdexcept>

namespace confide::ring {

std::size_t reversed(std::size_t i, int bits) {
  std::size_t result = 0;
  for (int b = 0; b < bits; ++b) result |= ((i >> b) & 1) << (bits - 1 - b);
  return result;
}

TransformTable::TransformTable(std::size_t degree_, const Modulus& modulus_, const Kernels& kernels)
    : degree(degree_), modulus(modulus_) {
  const auto root = primitive_root(2 * degree, modulus);
  if (!root) throw std::invalid_argument("a prime that is not 1 modulo twice the ring degree");
  const Word back = ring::inverse(*root, modulus);
  const int bits = std::countr_zero(degree);
  for (auto* all : {&roots, &companions, &inverse_roots, &inverse_companions}) all->resize(degree);
  Word power = 1, inverse_power = 1;
  for (std::size_t i = 0; i < degree; ++i) {
    const std::size_t at = reversed(i, bits);
    const Factor there = kernels.factor(power, modulus);
    const Factor here = kernels.factor(inverse_power, modulus);
    roots[at] = there.value, companions[at] = there.companion;
    inverse_roots[at] = here.value, inverse_companions[at] = here.companion;
    power = multiply(power, *root, modulus);
    inverse_power = multiply(inverse_power, back, modulus);
  }
  const Factor last =
      kernels.factor(ring::inverse(static_cast<Word>(degree) % modulus.q, modulus), modulus);
  inverse_degree = last.value, inverse_degree_companion = last.companion;
}

std::vector<const Kernels*> available_kernels() {
  std::vector<const Kernels*> all;
  for (const Kernels* path : {avx512_kernels(), avx2_kernels(), &portable_kernels()})
    if (path != nullptr) all.push_back(path);
  return all;
}

}  // namespace confide::ring
