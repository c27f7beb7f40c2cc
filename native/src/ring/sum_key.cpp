#include "sum_key.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "secret.hpp"

namespace confide::ring {

namespace {

// Streams of a key's seed: one for the key, one for each block's errors, one for each row of the
// polynomials that share it.
constexpr std::uint64_t kKeyStream = 0, kErrorStreams = 1, kShareStreams = std::uint64_t{1} << 40;

constexpr std::size_t kLanes = Stream::kWords / 2;
constexpr int kHalf = 63;

}  // namespace

// How many entries each number is not below. Numbers and entries have 126 bits in two words; what a
// subtraction borrows comes down from the top bit.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
__attribute__((target_clones("default", "avx2", "avx512f"), optimize("O3")))
#endif
void count_entries(Word* counts, const Word* high, const Word* low, const CumulativeTable& table) {
  std::fill_n(counts, kLanes, Word{0});
  for (std::size_t k = 0; k < table.high.size(); ++k) {
    const Word entry_high = table.high[k], entry_low = table.low[k];
    for (std::size_t i = 0; i < kLanes; ++i) {
      const Word borrow = (low[i] - entry_low) >> kHalf;
      counts[i] += 1 - ((high[i] - entry_high - borrow) >> kHalf);
    }
  }
}

// row = row + 2^bits·error + number, for residues below q and a sum of the others between -q and q.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
__attribute__((target_clones("default", "avx2", "avx512f"), optimize("O3")))
#endif
void add_message(Word* row, const std::int8_t* error, const std::int64_t* number, std::size_t count,
                 int bits, Word q) {
  for (std::size_t i = 0; i < count; ++i) {
    const Word value = (static_cast<Word>(static_cast<std::int64_t>(error[i])) << bits) +
                       static_cast<Word>(number[i]);
    const Word residue = value + (q & (Word{0} - (value >> kHalf)));
    row[i] = reduced_once(row[i] + residue, q);
  }
}

void discrete_gaussian(std::span<std::int8_t> out, const CumulativeTable& table, Stream& stream) {
  Word words[2 * kLanes], signs[kLanes], counts[kLanes];
  for (std::size_t start = 0; start < out.size(); start += kLanes) {
    stream.fill(words);
    for (std::size_t i = 0; i < kLanes; ++i) {
      signs[i] = Word{0} - (words[i] & 1);
      words[i] >>= 1, words[kLanes + i] >>= 1;
    }
    count_entries(counts, words, words + kLanes, table);
    const std::size_t many = std::min(kLanes, out.size() - start);
    for (std::size_t i = 0; i < many; ++i)
      out[start + i] = static_cast<std::int8_t>((counts[i] ^ signs[i]) - signs[i]);
  }
  wipe(words, sizeof(words)), wipe(signs, sizeof(signs)), wipe(counts, sizeof(counts));
}

SumKey::SumKey(const Ring& ring, CumulativeTable table, const Seed& seed)
    : ring_(ring),
      table_(std::move(table)),
      seed_(seed),
      small_(ring.degree()),
      transformed_(ring.degree()) {
  const std::size_t n = ring.degree();
  SmallScratch coefficients(n);
  Stream stream(*seed_, kKeyStream);
  discrete_gaussian(coefficients.span(), table_, stream);
  embed(ring, small_.data(), coefficients.span(), 0);
  std::copy_n(small_.data(), n, transformed_.data());
  ring.forward(transformed_.data(), 0);
}

bool SumKey::encrypt(Word* out, std::span<const std::int64_t> numbers, const Seed& shared,
                     int bits) {
  const std::int64_t half = std::int64_t{1} << (bits - 1);
  bool sound = true;
  for (const std::int64_t number : numbers) sound &= (number >= -half) & (number < half);
  if (!sound) return false;
  if (encrypted_.exchange(true))
    throw std::invalid_argument("a key for one vector has encrypted one");
  const std::size_t n = ring_.degree();
  const Modulus& m = ring_.modulus(0);
  ring_.run(numbers.size() / n, [&](std::size_t k) {
    Word* const row = out + k * n;
    uniform(row, n, m, shared, k);
    ring_.kernels().multiply(row, row, transformed_.data(), n, m);
    ring_.inverse(row, 0);
    SmallScratch errors(n);
    Stream stream(*seed_, kErrorStreams + k);
    discrete_gaussian(errors.span(), table_, stream);
    add_message(row, errors.span().data(), numbers.data() + k * n, n, bits, m.q);
  });
  return true;
}

void SumKey::share(Word* out, std::span<const Word> points, std::size_t threshold) {
  if (shared_.exchange(true)) throw std::invalid_argument("a key for one vector has been shared");
  const std::size_t n = ring_.degree();
  const Modulus& m = ring_.modulus(0);
  Scratch coefficients((threshold - 1) * n);
  ring_.run(threshold - 1, [&](std::size_t k) {
    uniform(coefficients.data() + k * n, n, m, *seed_, kShareStreams + k);
  });
  ring_.run(points.size(), [&](std::size_t i) {
    // Horner's rule, from the highest power down to the key itself.
    Word* const row = out + i * n;
    const Factor x = ring_.factor(points[i], 0);
    std::fill_n(row, n, Word{0});
    for (std::size_t k = threshold; k-- > 0;) {
      ring_.kernels().scale(row, row, x, n, m);
      ring_.kernels().add(row, row, k > 0 ? coefficients.data() + (k - 1) * n : small_.data(), n,
                          m);
    }
  });
}

}  // namespace confide::ring
