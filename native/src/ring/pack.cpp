#include "pack.hpp"

namespace confide::ring {

void pack(std::uint8_t* out, const Word* row, std::size_t count, const Modulus& m) {
  Wide waiting = 0;
  int have = 0;
  for (std::size_t i = 0; i < count; ++i) {
    waiting |= Wide{row[i]} << have;
    for (have += m.bits; have >= 8; have -= 8, waiting >>= 8)
      *out++ = static_cast<std::uint8_t>(waiting);
  }
}

bool unpack(Word* row, const std::uint8_t* in, std::size_t count, const Modulus& m) {
  const Word mask = (Word{1} << m.bits) - 1;
  Wide waiting = 0;
  int have = 0;
  bool sound = true;
  for (std::size_t i = 0; i < count; ++i) {
    for (; have < m.bits; have += 8) waiting |= Wide{*in++} << have;
    row[i] = static_cast<Word>(waiting) & mask;
    sound &= row[i] < m.q;
    waiting >>= m.bits, have -= m.bits;
  }
  return sound;
}

}  // namespace confide::ring
