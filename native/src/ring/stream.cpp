#include "stream.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <stdexcept>

#include "ring.hpp"

#if defined(_WIN32)
#include <windows.h>
// after windows.h
#include <bcrypt.h>
#elif defined(__linux__)
#include <sys/random.h>

#include <cerrno>
#else
#include <sys/random.h>
#include <unistd.h>
#endif

namespace confide::ring {

static_assert(std::endian::native == std::endian::little, "words are read as they lie in memory");

Seed fresh_seed() {
  Seed seed;
#if defined(_WIN32)
  if (BCryptGenRandom(nullptr, seed.data(), seed.size(), BCRYPT_USE_SYSTEM_PREFERRED_RNG) != 0)
    throw std::runtime_error("the operating system gives no randomness");
#elif defined(__linux__)
  std::size_t have = 0;
  while (have < seed.size()) {
    const auto got = getrandom(seed.data() + have, seed.size() - have, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) throw std::runtime_error("the operating system gives no randomness");
    have += static_cast<std::size_t>(got);
  }
#else
  if (getentropy(seed.data(), seed.size()) != 0)
    throw std::runtime_error("the operating system gives no randomness");
#endif
  return seed;
}

Stream::Stream(const Seed& seed, std::uint64_t number) : number_(number) {
  std::memcpy(key_.data(), seed.data(), seed.size());
}

Stream::~Stream() {
  wipe(key_.data(), sizeof(key_));
  wipe(words_.data(), sizeof(words_));
}

void Stream::fill(std::span<Word> out) {
  for (std::size_t done = 0; done < out.size();) {
    if (at_ == kWords) refill();
    const std::size_t many = std::min(kWords - at_, out.size() - done);
    std::copy_n(words_.begin() + static_cast<std::ptrdiff_t>(at_), many,
                out.begin() + static_cast<std::ptrdiff_t>(done));
    at_ += many, done += many;
  }
}

namespace {

constexpr std::size_t kBlocks = 16;
using Lane = std::uint32_t[kBlocks];

// The inner loops run over the blocks, so that a compiler makes each one vector instruction.
[[gnu::always_inline]] inline void quarter_round(Lane& a, Lane& b, Lane& c, Lane& d) {
  for (std::size_t i = 0; i < kBlocks; ++i) {
    a[i] += b[i], d[i] = std::rotl(d[i] ^ a[i], 16);
    c[i] += d[i], b[i] = std::rotl(b[i] ^ c[i], 12);
    a[i] += b[i], d[i] = std::rotl(d[i] ^ a[i], 8);
    c[i] += d[i], b[i] = std::rotl(b[i] ^ c[i], 7);
  }
}

}  // namespace

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
__attribute__((target_clones("default", "avx2", "avx512f"), optimize("O3")))
#endif
void chacha_blocks(Lane* x, const Lane* start) {
  for (std::size_t w = 0; w < 16; ++w) std::memcpy(x[w], start[w], sizeof(Lane));
  for (int round = 0; round < 10; ++round) {
    quarter_round(x[0], x[4], x[8], x[12]);
    quarter_round(x[1], x[5], x[9], x[13]);
    quarter_round(x[2], x[6], x[10], x[14]);
    quarter_round(x[3], x[7], x[11], x[15]);
    quarter_round(x[0], x[5], x[10], x[15]);
    quarter_round(x[1], x[6], x[11], x[12]);
    quarter_round(x[2], x[7], x[8], x[13]);
    quarter_round(x[3], x[4], x[9], x[14]);
  }
  for (std::size_t w = 0; w < 16; ++w)
    for (std::size_t i = 0; i < kBlocks; ++i) x[w][i] += start[w][i];
}

void Stream::refill() {
  constexpr std::array<std::uint32_t, 4> kConstants = {0x61707865, 0x3320646e, 0x79622d32,
                                                       0x6b206574};
  Lane start[16], x[16];
  for (std::size_t i = 0; i < kBlocks; ++i) {
    const std::uint64_t counter = counter_ + i;
    for (std::size_t w = 0; w < 4; ++w) start[w][i] = kConstants[w];
    for (std::size_t w = 0; w < 8; ++w) start[4 + w][i] = key_[w];
    start[12][i] = static_cast<std::uint32_t>(counter);
    start[13][i] = static_cast<std::uint32_t>(counter >> 32);
    start[14][i] = static_cast<std::uint32_t>(number_);
    start[15][i] = static_cast<std::uint32_t>(number_ >> 32);
  }
  chacha_blocks(x, start);
  for (std::size_t i = 0; i < kBlocks; ++i)
    for (std::size_t w = 0; w < 8; ++w)
      words_[8 * i + w] = x[2 * w][i] | (Word{x[2 * w + 1][i]} << 32);
  counter_ += kBlocks;
  at_ = 0;
  wipe(start, sizeof(start));
  wipe(x, sizeof(x));
}

}  // namespace confide::ring
