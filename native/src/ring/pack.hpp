// Residues as bytes: so many bits each as their prime has, lowest first, without gaps.
#pragma once

#include <cstddef>
#include <cstdint>

#include "arithmetic.hpp"

namespace confide::ring {

// For a count that is a multiple of 8.
inline std::size_t packed_bytes(std::size_t count, const Modulus& m) {
  return count / 8 * static_cast<std::size_t>(m.bits);
}

void pack(std::uint8_t* out, const Word* row, std::size_t count, const Modulus& m);

// False if one of the numbers is not below the prime.
[[nodiscard]] bool unpack(Word* row, const std::uint8_t* in, std::size_t count, const Modulus& m);

}  // namespace confide::ring
