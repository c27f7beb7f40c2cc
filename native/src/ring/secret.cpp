#include "secret.hpp"

#include <algorithm>
#include <stdexcept>

namespace confide::ring {

namespace {

// A stream nobody else has.
class FreshStream {
 public:
  FreshStream() : seed_(fresh_seed()), stream_(*seed_, 0) {}
  Stream& operator*() { return stream_; }

 private:
  SecretSeed seed_;
  Stream stream_;
};

// t·x modulo one prime, transformed.
void embed_transformed(const Ring& ring, Word* out, std::span<const std::int8_t> x,
                       std::size_t prime, Word t) {
  const Modulus& m = ring.modulus(prime);
  embed(ring, out, x, prime);
  if (t > 1) ring.kernels().scale(out, out, ring.factor(t % m.q, prime), x.size(), m);
  ring.forward(out, prime);
}

}  // namespace

void embed(const Ring& ring, Word* out, std::span<const std::int8_t> x, std::size_t prime) {
  const Word q = ring.modulus(prime).q;
  for (std::size_t k = 0; k < x.size(); ++k) {
    const auto negative = static_cast<Word>(static_cast<std::int64_t>(x[k]) >> 63);
    out[k] = static_cast<Word>(static_cast<std::int64_t>(x[k])) + (q & negative);
  }
}

void uniform(Word* out, std::size_t count, const Modulus& m, const Seed& seed,
             std::uint64_t number) {
  Stream stream(seed, number);
  const Word limit = m.q * m.barrett64;
  for (std::size_t i = 0; i < count;) {
    const Word word = stream.next();
    out[i] = reduce(word, m);
    i += word < limit;
  }
}

void ternary(std::span<std::int8_t> out, Stream& stream) {
  constexpr int kPairs = 32;
  // Room for all 32 pairs of the last word, so that every one can be written.
  SmallScratch room(out.size() + kPairs);
  const auto values = room.span();
  for (std::size_t have = 0; have < out.size();) {
    Word word = stream.next();
    for (int i = 0; i < kPairs; ++i, word >>= 2) {
      const Word pair = word & 3;
      values[have] = static_cast<std::int8_t>(static_cast<int>(pair) - 1);
      have += pair != 3;
    }
  }
  std::copy_n(values.begin(), out.size(), out.begin());
}

namespace {

// Ones among the lowest 21 bits, without a table.
Word ones(Word x) {
  x = (x & 0x155555) + ((x >> 1) & 0x155555);
  x = (x & 0x333333) + ((x >> 2) & 0x333333);
  x = (x + (x >> 4)) & 0x0f0f0f;
  return (x + (x >> 8) + (x >> 16)) & 0x3f;
}

}  // namespace

void centred_binomial(std::span<std::int8_t> out, Stream& stream) {
  constexpr Word kMask = (Word{1} << kCoins) - 1;
  Word words[Stream::kWords];
  for (std::size_t start = 0; start < out.size(); start += Stream::kWords) {
    stream.fill(words);
    const std::size_t many = std::min(Stream::kWords, out.size() - start);
    for (std::size_t i = 0; i < many; ++i)
      out[start + i] =
          static_cast<std::int8_t>(static_cast<int>(ones(words[i] & kMask)) -
                                   static_cast<int>(ones((words[i] >> kCoins) & kMask)));
  }
  wipe(words, sizeof(words));
}

Secret::Secret(const Ring& ring)
    : ring_(ring), coefficients_(ring.degree()), transformed_(ring.size() * ring.degree()) {
  FreshStream stream;
  ternary(coefficients_, *stream);
  transform_coefficients();
}

Secret::Secret(const Ring& ring, std::span<const std::int8_t> coefficients)
    : ring_(ring),
      coefficients_(coefficients.begin(), coefficients.end()),
      transformed_(ring.size() * ring.degree()) {
  bool sound = coefficients.size() == ring.degree();
  for (const std::int8_t c : coefficients) sound &= (c >= -1) & (c <= 1);
  if (!sound) throw std::invalid_argument("a secret has N coefficients, each -1, 0 or 1");
  transform_coefficients();
}

Secret::~Secret() { wipe(coefficients_.data(), coefficients_.size()); }

void Secret::transform_coefficients() {
  ring_.run(ring_.size(), [&](std::size_t prime) {
    embed_transformed(ring_, transformed_.data() + prime * ring_.degree(), coefficients_, prime, 1);
  });
}

void Secret::encrypt(Word* out, const Word* message, Rows rows, const Seed& seed,
                     std::uint64_t first, Word t) const {
  const std::size_t n = ring_.degree();
  SmallScratch error(n);
  FreshStream stream;
  centred_binomial(error.span(), *stream);
  ring_.run(rows.size(), [&](std::size_t i) {
    const std::size_t prime = rows[i];
    const Modulus& m = ring_.modulus(prime);
    Scratch noise(n), mask(n);
    embed_transformed(ring_, noise.data(), error.span(), prime, t);
    uniform(mask.data(), n, m, seed, first + prime);
    ring_.kernels().multiply(mask.data(), mask.data(), transformed_.data() + prime * n, n, m);
    ring_.kernels().subtract(noise.data(), noise.data(), mask.data(), n, m);
    if (message != nullptr)
      ring_.kernels().add(out + i * n, message + i * n, noise.data(), n, m);
    else
      std::copy_n(noise.data(), n, out + i * n);
  });
}

void Secret::phase(Word* out, const Word* ciphertext, std::size_t polys, Rows rows) const {
  const std::size_t n = ring_.degree();
  ring_.run(rows.size(), [&](std::size_t i) {
    const Modulus& m = ring_.modulus(rows[i]);
    const Word* const s = transformed_.data() + rows[i] * n;
    Word* const row = out + i * n;
    // Horner's rule, from the highest power down.
    std::copy_n(ciphertext + ((polys - 1) * rows.size() + i) * n, n, row);
    for (std::size_t p = polys - 1; p-- > 0;) {
      ring_.kernels().multiply(row, row, s, n, m);
      ring_.kernels().add(row, row, ciphertext + (p * rows.size() + i) * n, n, m);
    }
  });
}

void Secret::relinearisation_key(Word* out, Rows rows, Rows special, Digits digits,
                                 const Seed& seed, Word t) const {
  const std::size_t n = ring_.degree();
  Scratch square(ring_.size() * n);
  for (std::size_t prime = 0; prime < ring_.size(); ++prime) {
    const Word* const s = transformed_.data() + prime * n;
    ring_.kernels().multiply(square.data() + prime * n, s, s, n, ring_.modulus(prime));
  }
  switching_key(out, square.data(), transformed_.data(), rows, special, digits, seed, t);
}

void Secret::rotation_key(Word* out, std::size_t g, Rows rows, Rows special, Digits digits,
                          const Seed& seed, Word t) const {
  // A rotation multiplies the digits first and turns the result, so the key leads to the secret
  // that the turn makes s: X -> X^(1/g) of s. Powers of g come back to 1 within N steps.
  const std::size_t n = ring_.degree();
  std::size_t back = 1;
  for (std::size_t power = g; power != 1; power = power * g % (2 * n)) back = power;
  const auto& places = ring_.places(back);
  Scratch turned(ring_.size() * n);
  for (std::size_t i = 0; i < ring_.size(); ++i)
    ring_.kernels().permute(turned.data() + i * n, transformed_.data() + i * n, places.data(), n);
  switching_key(out, transformed_.data(), turned.data(), rows, special, digits, seed, t);
}

namespace {

std::uint64_t stream_of(std::size_t digit, std::size_t prime) {
  return (std::uint64_t{digit + 1} << 32) + prime;
}

}  // namespace

void expand_switching_key(const Ring& ring, Word* key, std::size_t digits, Rows rows,
                          const Seed& seed) {
  const std::size_t n = ring.degree();
  ring.run(digits * rows.size(), [&](std::size_t i) {
    const std::size_t d = i / rows.size(), j = i % rows.size();
    uniform(key + ((2 * d + 1) * rows.size() + j) * n, n, ring.modulus(rows[j]), seed,
            stream_of(d, rows[j]));
  });
}

void Secret::switching_key(Word* out, const Word* from, const Word* to, Rows rows, Rows special,
                           Digits digits, const Seed& seed, Word t) const {
  const std::size_t n = ring_.degree(), count = digits.count(rows.size());
  const auto all = joined(rows, special);
  std::vector<SmallScratch> errors;
  FreshStream stream;
  for (std::size_t d = 0; d < count; ++d) {
    errors.emplace_back(n);
    centred_binomial(errors.back().span(), *stream);
  }
  ring_.run(count * all.size(), [&](std::size_t i) {
    const std::size_t d = i / all.size(), j = i % all.size(), prime = all[j];
    const Modulus& m = ring_.modulus(prime);
    Word* const b = out + (2 * d * all.size() + j) * n;
    Word* const a = b + all.size() * n;
    uniform(a, n, m, seed, stream_of(d, prime));
    Scratch noise(n), work(n);
    embed_transformed(ring_, noise.data(), errors[d].span(), prime, t);
    ring_.kernels().multiply(work.data(), a, to + prime * n, n, m);
    ring_.kernels().subtract(noise.data(), noise.data(), work.data(), n, m);
    if (j < rows.size() && j / digits.width == d) {
      const Factor by = ring_.factor(ring_.product(special, m), prime);
      ring_.kernels().scale(work.data(), from + prime * n, by, n, m);
      ring_.kernels().add(noise.data(), noise.data(), work.data(), n, m);
    }
    std::copy_n(noise.data(), n, b);
  });
}

namespace {

// (b·v + t·e0, a·v + t·e1) for the rows of `rows`, which stand in the key where `places` says.
void hide_zero(const Ring& ring, Word* out, const Word* key, std::size_t key_rows, Rows rows,
               std::span<const std::size_t> places, Word t) {
  const std::size_t n = ring.degree();
  SmallScratch secret(n), first(n), second(n);
  FreshStream stream;
  ternary(secret.span(), *stream);
  centred_binomial(first.span(), *stream);
  centred_binomial(second.span(), *stream);
  ring.run(rows.size(), [&](std::size_t i) {
    const std::size_t prime = rows[i];
    const Modulus& m = ring.modulus(prime);
    Scratch once(n), noise(n), work(n);
    embed_transformed(ring, once.data(), secret.span(), prime, 1);
    for (std::size_t half = 0; half < 2; ++half) {
      embed_transformed(ring, noise.data(), half == 0 ? first.span() : second.span(), prime, t);
      ring.kernels().multiply(work.data(), once.data(), key + (half * key_rows + places[i]) * n, n,
                              m);
      ring.kernels().add(out + (half * rows.size() + i) * n, noise.data(), work.data(), n, m);
    }
  });
}

}  // namespace

void encrypt_publicly(const Ring& ring, Word* out, const Word* key, Rows key_rows,
                      const Word* message, Rows rows, Rows special, Word t) {
  const std::size_t n = ring.degree();
  const auto all = joined(rows, special);
  std::vector<std::size_t> places;
  for (const std::size_t prime : all) {
    const auto found = std::find(key_rows.begin(), key_rows.end(), prime);
    if (found == key_rows.end()) throw std::invalid_argument("a row that the public key has not");
    places.push_back(static_cast<std::size_t>(found - key_rows.begin()));
  }
  if (special.empty()) {
    hide_zero(ring, out, key, key_rows.size(), all, places, t);
  } else {
    // What the division leaves out would tell the message, with the ciphertext: it is wiped.
    Scratch above(2 * all.size() * n);
    hide_zero(ring, above.data(), key, key_rows.size(), all, places, t);
    lower(ring, out, above.data(), 2, rows, special, t);
    wipe_kept(2 * special.size() * n);
  }
  if (message != nullptr)
    combine(ring, Binary::kAdd, out, {out, 1, {rows.begin(), rows.end()}},
            {const_cast<Word*>(message), 1, {rows.begin(), rows.end()}});
}

}  // namespace confide::ring
