// What Python sees of the ring: checks of shapes and ranges, and the released lock.
//
// Residues are believed to be canonical. They come from other functions here, or from `unpack`,
// which checks them: the only way in for bytes from elsewhere.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "check.hpp"
#include "modules.hpp"
#include "ring/evaluate.hpp"
#include "ring/pack.hpp"
#include "ring/secret.hpp"
#include "ring/sum_key.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace confide {
namespace {

using namespace ring;

template <class T, int Dimensions>
using Array = nb::ndarray<T, nb::numpy, nb::ndim<Dimensions>, nb::c_contig, nb::device::cpu>;

using Polys = Array<Word, 3>;  // (polynomials, rows, N)
using ConstPolys = Array<const Word, 3>;
using Primes = std::vector<std::size_t>;  // which primes the rows are modulo

using Unlocked = nb::gil_scoped_release;

const Kernels& kernels_called(const std::string& path) {
  const auto available = available_kernels();
  if (path.empty()) return *available.front();
  for (const Kernels* candidate : available)
    if (path == candidate->name) return *candidate;
  throw std::invalid_argument("no such path on this processor: " + path);
}

std::size_t checked_threads(std::size_t threads) {
  require(1 <= threads && threads <= 256, "threads lie between 1 and 256");
  return threads;
}

// Of one polynomial.
std::size_t packed_bytes_of(const Ring& ring, const Primes& rows) {
  std::size_t total = 0;
  for (const std::size_t prime : rows) total += packed_bytes(ring.degree(), ring.modulus(prime));
  return total;
}

void check_rows(const Ring& ring, const Primes& rows) {
  require(!rows.empty(), "there is at least one row");
  std::vector<bool> seen(ring.size());
  for (const std::size_t prime : rows) {
    require(prime < ring.size(), "a row of a prime that the ring has not");
    require(!seen[prime], "a prime stands twice among the rows");
    seen[prime] = true;
  }
}

template <class A>
void check(const Ring& ring, const A& x, std::size_t polys, std::size_t rows) {
  require(x.shape(0) == polys && x.shape(1) == rows && x.shape(2) == ring.degree(),
          "an array's shape is not (polynomials, rows, N)");
}

template <class A>
void check(const Ring& ring, const A& x, const Primes& rows) {
  check(ring, x, x.shape(0), rows.size());
}

Digits checked_width(std::size_t width) {
  require(1 <= width && width <= Ring::kMostPrimes, "width lies between 1 and 128");
  return {width};
}

Word checked_plain(Word t) {
  require(1 <= t && t < Word{1} << kMostBits, "t lies between 1 and 2^50");
  return t;
}

Seed checked_seed(const nb::bytes& given) {
  Seed seed;
  require(given.size() == seed.size(), "a seed is 32 bytes");
  std::memcpy(seed.data(), given.c_str(), seed.size());
  return seed;
}

nb::bytes as_bytes(const Seed& seed) {
  return nb::bytes(reinterpret_cast<const char*>(seed.data()), seed.size());
}

Batch batch(const Polys& x, const Primes& rows) { return {x.data(), x.shape(0), rows}; }

Batch batch(const ConstPolys& x, const Primes& rows) {
  return {const_cast<Word*>(x.data()), x.shape(0), rows};  // `combine` and the like only read it
}

// The arrays of a list, kept alive with their pointers.
class Inputs {
 public:
  Inputs(const Ring& ring, const nb::sequence& given, std::size_t polys, const Primes& rows) {
    for (const nb::handle one : given) {
      ConstPolys array = nb::cast<ConstPolys>(one, false);
      check(ring, array, polys, rows.size());
      pointers_.push_back(array.data());
      arrays_.push_back(std::move(array));
    }
    require(!arrays_.empty(), "a sum has at least one term");
  }

  std::span<const Word* const> pointers() const { return pointers_; }
  std::size_t size() const { return arrays_.size(); }

 private:
  std::vector<ConstPolys> arrays_;
  std::vector<const Word*> pointers_;
};

void transform_rows(const Ring& self, Polys x, const Primes& rows, bool forward) {
  check_rows(self, rows);
  check(self, x, rows);
  const Unlocked unlocked;
  transform(self, batch(x, rows), forward);
}

template <Binary operation>
void combine_rows(const Ring& self, Polys out, ConstPolys x, ConstPolys y, const Primes& rows) {
  check_rows(self, rows);
  check(self, x, rows);
  check(self, out, x.shape(0), rows.size());
  check(self, y, y.shape(0) == 1 ? 1 : x.shape(0), rows.size());
  const Unlocked unlocked;
  combine(self, operation, out.data(), batch(x, rows), batch(y, rows));
}

void scale_rows(const Ring& self, Polys out, ConstPolys x, const std::vector<Word>& residues,
                const Primes& rows) {
  check_rows(self, rows);
  check(self, x, rows);
  check(self, out, x.shape(0), rows.size());
  require(residues.size() == rows.size(), "there is one residue for each row");
  for (std::size_t i = 0; i < rows.size(); ++i)
    require(residues[i] < self.modulus(rows[i]).q, "a residue is not below its prime");
  const Unlocked unlocked;
  scale(self, out.data(), batch(x, rows), residues);
}

void tensor_sum(const Ring& self, Polys out, const nb::sequence& x, const nb::sequence& y,
                const Primes& rows) {
  check_rows(self, rows);
  check(self, out, 3, rows.size());
  const Inputs xs(self, x, 2, rows), ys(self, y, 2, rows);
  require(xs.size() == ys.size(), "there are as many left as right factors");
  const Unlocked unlocked;
  tensor(self, out.data(), xs.pointers(), ys.pointers(), rows);
}

void weighted_sum(const Ring& self, Polys out, const nb::sequence& x, const nb::sequence& y,
                  const Primes& rows) {
  check_rows(self, rows);
  check(self, out, rows);
  const Inputs xs(self, x, out.shape(0), rows), ys(self, y, 1, rows);
  require(xs.size() == ys.size(), "there are as many left as right factors");
  const Unlocked unlocked;
  weighted(self, out.data(), xs.pointers(), ys.pointers(), out.shape(0), rows);
}

void decompose_rows(const Ring& self, Polys out, ConstPolys x, const Primes& rows,
                    const Primes& special, std::size_t width) {
  const Digits digits = checked_width(width);
  const Primes all = joined(rows, special);
  check_rows(self, all);
  check(self, x, 1, rows.size());
  check(self, out, digits.count(rows.size()), all.size());
  const Unlocked unlocked;
  decompose(self, out.data(), x.data(), rows, special, digits);
}

// Checks a key and what comes out of it; the rows that are held must be among the key's.
SwitchingKey checked_key(const Ring& ring, const Polys& out, const ConstPolys& key,
                         const Primes& key_rows, const Word* offset, const Primes& all,
                         std::size_t digits) {
  check_rows(ring, all);
  check_rows(ring, key_rows);
  require(key.shape(0) % 2 == 0 && key.shape(0) / 2 >= digits, "a key with too few digits");
  check(ring, key, key_rows);
  check(ring, out, 2, all.size());
  return {key.data(), key_rows, offset};
}

void offset_key(const Ring& self, Polys out, ConstPolys key, const Primes& key_rows,
                const Primes& rows, const Primes& special, std::size_t width) {
  const Digits digits = checked_width(width);
  const SwitchingKey checked = checked_key(self, out, key, key_rows, nullptr, joined(rows, special),
                                           digits.count(rows.size()));
  const Unlocked unlocked;
  offset(self, out.data(), checked, rows, special, digits);
}

void switch_decomposed(const Ring& self, Polys out, ConstPolys decomposed, ConstPolys key,
                       const Primes& key_rows, ConstPolys offset, const Primes& rows,
                       const Primes& special, std::size_t width) {
  const Digits digits = checked_width(width);
  const Primes all = joined(rows, special);
  const std::size_t count = digits.count(rows.size());
  check(self, offset, 2, all.size());
  const SwitchingKey checked = checked_key(self, out, key, key_rows, offset.data(), all, count);
  check(self, decomposed, count, all.size());
  const Unlocked unlocked;
  switch_digits(self, out.data(), decomposed.data(), checked, rows, special, digits);
}

void switch_whole(const Ring& self, Polys out, ConstPolys x, ConstPolys key, const Primes& key_rows,
                  ConstPolys offset, const Primes& rows, const Primes& special, std::size_t width) {
  const Digits digits = checked_width(width);
  const Primes all = joined(rows, special);
  check(self, offset, 2, all.size());
  const SwitchingKey checked =
      checked_key(self, out, key, key_rows, offset.data(), all, digits.count(rows.size()));
  check(self, x, 1, rows.size());
  const Unlocked unlocked;
  switch_key(self, out.data(), x.data(), checked, rows, special, digits);
}

void lower_rows(const Ring& self, Polys out, ConstPolys x, const Primes& kept,
                const Primes& dropped, Word t) {
  const Primes all = joined(kept, dropped);
  check_rows(self, all);
  require(!kept.empty() && !dropped.empty(), "primes are dropped, and some are kept");
  check(self, x, all);
  check(self, out, x.shape(0), kept.size());
  checked_plain(t);
  const Unlocked unlocked;
  lower(self, out.data(), x.data(), x.shape(0), kept, dropped, t);
}

void rotate_rows(const Ring& self, Polys out, ConstPolys x, std::size_t g) {
  check(self, x, x.shape(0), x.shape(1));
  check(self, out, x.shape(0), x.shape(1));
  require(g % 2 == 1 && g < 2 * self.degree(), "g is odd and below 2N");
  require(out.data() != x.data(), "a rotation is not done in place");
  Primes rows(x.shape(1));
  std::iota(rows.begin(), rows.end(), std::size_t{0});
  const Unlocked unlocked;
  rotate(self, out.data(), batch(x, rows), g);
}

template <class T, auto convert>
void embed_numbers(const Ring& self, Polys out, Array<const T, 1> x, const Primes& rows) {
  check_rows(self, rows);
  check(self, out, 1, rows.size());
  require(x.shape(0) == self.degree(), "there are N coefficients");
  const Unlocked unlocked;
  convert(self, out.data(), std::span(x.data(), x.size()), rows);
}

void lift_reals(const Ring& self, Array<double, 1> out, ConstPolys x, const Primes& rows) {
  check_rows(self, rows);
  check(self, x, 1, rows.size());
  require(out.shape(0) == self.degree(), "there are N coefficients");
  const Unlocked unlocked;
  to_reals(self, {out.data(), out.size()}, x.data(), rows);
}

void lift_residues(const Ring& self, Array<std::int64_t, 1> out, ConstPolys x, const Primes& rows,
                   Word t) {
  check_rows(self, rows);
  check(self, x, 1, rows.size());
  require(out.shape(0) == self.degree(), "there are N coefficients");
  const Unlocked unlocked;
  to_residues(self, {out.data(), out.size()}, x.data(), rows, t);
}

nb::bytes pack_rows(const Ring& self, ConstPolys x, const Primes& rows) {
  check_rows(self, rows);
  check(self, x, rows);
  const std::size_t n = self.degree();
  std::vector<std::uint8_t> packed(x.shape(0) * packed_bytes_of(self, rows));
  {
    const Unlocked unlocked;
    std::uint8_t* at = packed.data();
    for (std::size_t i = 0; i < x.shape(0) * rows.size(); ++i) {
      const Modulus& m = self.modulus(rows[i % rows.size()]);
      pack(at, x.data() + i * n, n, m);
      at += packed_bytes(n, m);
    }
  }
  return nb::bytes(packed.data(), packed.size());
}

void unpack_rows(const Ring& self, Polys out, const nb::bytes& packed, const Primes& rows) {
  check_rows(self, rows);
  check(self, out, rows);
  require(packed.size() == out.shape(0) * packed_bytes_of(self, rows),
          "the packed residues are not of the length of their shape");
  const std::size_t n = self.degree();
  const auto* at = reinterpret_cast<const std::uint8_t*>(packed.c_str());
  bool sound = true;
  {
    const Unlocked unlocked;
    for (std::size_t i = 0; i < out.shape(0) * rows.size(); ++i) {
      const Modulus& m = self.modulus(rows[i % rows.size()]);
      sound &= unpack(out.data() + i * n, at, n, m);
      at += packed_bytes(n, m);
    }
  }
  require(sound, "a packed residue is not below its prime");
}

void expand(const Ring& self, Polys out, const Primes& rows, const nb::bytes& seed,
            std::uint64_t first) {
  check_rows(self, rows);
  check(self, out, 1, rows.size());
  const Seed checked = checked_seed(seed);
  const std::size_t n = self.degree();
  const Unlocked unlocked;
  self.run(rows.size(), [&](std::size_t i) {
    uniform(out.data() + i * n, n, self.modulus(rows[i]), checked, first + rows[i]);
  });
}

// A message to be encrypted; not valid for None, which stands for zero.
ConstPolys checked_message(const Ring& ring, const nb::object& given, const Primes& rows) {
  ConstPolys message;
  if (given.is_none()) return message;
  message = nb::cast<ConstPolys>(given, false);
  check(ring, message, 1, rows.size());
  return message;
}

const Word* data_of(const ConstPolys& message) {
  return message.is_valid() ? message.data() : nullptr;
}

nb::bytes encrypt(const Secret& self, Polys out, const nb::object& message, const Primes& rows,
                  Word t) {
  const Ring& ring = self.ring();
  check_rows(ring, rows);
  check(ring, out, 1, rows.size());
  checked_plain(t);
  const ConstPolys given = checked_message(ring, message, rows);
  const Seed seed = fresh_seed();
  {
    const Unlocked unlocked;
    self.encrypt(out.data(), data_of(given), rows, seed, 0, t);
  }
  return as_bytes(seed);
}

void phase(const Secret& self, Polys out, ConstPolys ciphertext, const Primes& rows) {
  const Ring& ring = self.ring();
  check_rows(ring, rows);
  check(ring, out, 1, rows.size());
  check(ring, ciphertext, rows);
  require(2 <= ciphertext.shape(0) && ciphertext.shape(0) <= 3, "a ciphertext has 2 or 3 parts");
  const Unlocked unlocked;
  self.phase(out.data(), ciphertext.data(), ciphertext.shape(0), rows);
}

// A key that takes what X -> X^g makes of the secret to the secret; for g = 0, its square.
nb::bytes switching_key(const Secret& self, Polys out, std::size_t g, const Primes& rows,
                        const Primes& special, std::size_t width, Word t) {
  const Ring& ring = self.ring();
  const Digits digits = checked_width(width);
  const Primes all = joined(rows, special);
  check_rows(ring, all);
  check(ring, out, 2 * digits.count(rows.size()), all.size());
  require(g == 0 || (g % 2 == 1 && g < 2 * ring.degree()), "g is 0, or odd and below 2N");
  require(!special.empty(), "a key has special primes");
  checked_plain(t);
  const Seed seed = fresh_seed();
  {
    const Unlocked unlocked;
    if (g == 0)
      self.relinearisation_key(out.data(), rows, special, digits, seed, t);
    else
      self.rotation_key(out.data(), g, rows, special, digits, seed, t);
  }
  return as_bytes(seed);
}

void expand_key(const Ring& self, Polys key, const Primes& rows, const nb::bytes& seed) {
  check_rows(self, rows);
  check(self, key, rows);
  require(key.shape(0) % 2 == 0, "a key has two polynomials for each digit");
  const Seed checked = checked_seed(seed);
  const Unlocked unlocked;
  expand_switching_key(self, key.data(), key.shape(0) / 2, rows, checked);
}

void encrypt_under(const Ring& self, Polys out, ConstPolys key, const Primes& key_rows,
                   const nb::object& message, const Primes& rows, const Primes& special, Word t) {
  check_rows(self, key_rows);
  check_rows(self, joined(rows, special));
  check(self, key, 2, key_rows.size());
  check(self, out, 2, rows.size());
  checked_plain(t);
  const ConstPolys given = checked_message(self, message, rows);
  const Unlocked unlocked;
  encrypt_publicly(self, out.data(), key.data(), key_rows, data_of(given), rows, special, t);
}

using Entries = std::vector<Word>;

CumulativeTable checked_table(Entries high, Entries low) {
  require(
      high.size() == low.size() && !high.empty() && high.size() <= CumulativeTable::kMostEntries,
      "a table has 1 to 127 entries of two words");
  for (std::size_t k = 0; k < high.size(); ++k) {
    require(high[k] >> 63 == 0 && low[k] >> 63 == 0, "a table's words have 63 bits");
    require(k == 0 || std::pair(high[k - 1], low[k - 1]) <= std::pair(high[k], low[k]),
            "a table's entries do not fall");
  }
  return {std::move(high), std::move(low)};
}

void new_sum_key(SumKey* self, const Ring& ring, Entries high, Entries low, const nb::bytes& seed) {
  require(ring.size() == 1, "a key for one vector lives in a ring with one prime");
  const SecretSeed checked(checked_seed(seed));
  new (self) SumKey(ring, checked_table(std::move(high), std::move(low)), *checked);
}

void encrypt_numbers(SumKey& self, Polys out, Array<const std::int64_t, 2> numbers,
                     const nb::bytes& shared, int bits) {
  const Ring& ring = self.ring();
  check(ring, out, numbers.shape(0), 1);
  require(numbers.shape(1) == ring.degree(), "there are N numbers in each block");
  require(1 <= bits && bits <= kMostBits && (self.largest() + 1) << bits < ring.modulus(0).q,
          "numbers of so many bits and an error exceed the prime");
  const Seed checked = checked_seed(shared);
  bool sound = false;
  {
    const Unlocked unlocked;
    sound = self.encrypt(out.data(), {numbers.data(), numbers.size()}, checked, bits);
  }
  require(sound, "a number does not fit its bits");
}

void share_key(SumKey& self, Polys out, const std::vector<Word>& points, std::size_t threshold) {
  const Ring& ring = self.ring();
  check(ring, out, points.size(), 1);
  require(1 <= threshold && threshold <= points.size(),
          "a threshold lies between 1 and the points");
  for (const Word point : points)
    require(1 <= point && point < ring.modulus(0).q, "points lie between 1 and the prime");
  const Unlocked unlocked;
  self.share(out.data(), points, threshold);
}

void draw_gaussian(Array<std::int8_t, 1> out, Entries high, Entries low, const nb::bytes& seed) {
  const CumulativeTable table = checked_table(std::move(high), std::move(low));
  const Seed checked = checked_seed(seed);
  const Unlocked unlocked;
  Stream stream(checked, 0);
  discrete_gaussian({out.data(), out.size()}, table, stream);
}

void read_stream(Array<Word, 1> out, const nb::bytes& seed, std::uint64_t number) {
  const Seed checked = checked_seed(seed);
  const Unlocked unlocked;
  Stream(checked, number).fill({out.data(), out.size()});
}

template <auto sampler>
void draw(Array<std::int8_t, 1> out, const nb::bytes& seed) {
  const Seed checked = checked_seed(seed);
  const Unlocked unlocked;
  Stream stream(checked, 0);
  sampler({out.data(), out.size()}, stream);
}

}  // namespace

void define_ring(nb::module_& m) {
  m.def(
      "paths",
      [] {
        std::vector<std::string> names;
        for (const Kernels* path : available_kernels()) names.emplace_back(path->name);
        return names;
      },
      "The instruction sets that this processor has kernels for, the fastest first.");
  m.def("fresh_seed", [] { return as_bytes(fresh_seed()); }, "32 bytes from the operating system.");
  m.def("read_stream", &read_stream, "out"_a.noconvert(), "seed"_a, "number"_a,
        "Fills words from a ChaCha20 stream of a seed.");
  m.def("draw_ternary", &draw<ternary>, "out"_a.noconvert(), "seed"_a,
        "Fills with -1, 0 and 1, equally likely; for tests of the sampler.");
  m.def("draw_error", &draw<centred_binomial>, "out"_a.noconvert(), "seed"_a,
        "Fills with centred binomial errors of 21 coins; for tests of the sampler.");

  m.def("draw_gaussian", &draw_gaussian, "out"_a.noconvert(), "high"_a, "low"_a, "seed"_a,
        "Fills with discrete Gaussian numbers of a table; for tests of the sampler.");

  nb::class_<Ring>(m, "Ring", "Z_Q[X]/(X^N + 1) in residues modulo the primes of Q.")
      .def(
          "__init__",
          [](Ring* self, std::size_t degree, const std::vector<Word>& primes,
             const std::string& path, std::size_t threads) {
            new (self) Ring(degree, primes, kernels_called(path), checked_threads(threads));
          },
          "degree"_a, "primes"_a, nb::kw_only(), "path"_a = "", "threads"_a = 1)
      .def_prop_ro("degree", &Ring::degree)
      .def_prop_ro("path", [](const Ring& self) { return self.kernels().name; })
      .def_prop_rw(
          "threads", &Ring::threads,
          [](Ring& self, std::size_t threads) { self.set_threads(checked_threads(threads)); })
      .def(
          "forward",
          [](const Ring& self, Polys x, const Primes& rows) {
            transform_rows(self, std::move(x), rows, true);
          },
          "x"_a.noconvert(), "rows"_a)
      .def(
          "inverse",
          [](const Ring& self, Polys x, const Primes& rows) {
            transform_rows(self, std::move(x), rows, false);
          },
          "x"_a.noconvert(), "rows"_a)
      .def("add", &combine_rows<Binary::kAdd>, "out"_a.noconvert(), "x"_a.noconvert(),
           "y"_a.noconvert(), "rows"_a)
      .def("subtract", &combine_rows<Binary::kSubtract>, "out"_a.noconvert(), "x"_a.noconvert(),
           "y"_a.noconvert(), "rows"_a)
      .def("multiply", &combine_rows<Binary::kMultiply>, "out"_a.noconvert(), "x"_a.noconvert(),
           "y"_a.noconvert(), "rows"_a)
      .def("scale", &scale_rows, "out"_a.noconvert(), "x"_a.noconvert(), "residues"_a, "rows"_a)
      .def("tensor", &tensor_sum, "out"_a.noconvert(), "x"_a, "y"_a, "rows"_a)
      .def("weighted", &weighted_sum, "out"_a.noconvert(), "x"_a, "y"_a, "rows"_a)
      .def("decompose", &decompose_rows, "out"_a.noconvert(), "x"_a.noconvert(), "rows"_a,
           "special"_a, "width"_a)
      .def("offset", &offset_key, "out"_a.noconvert(), "key"_a.noconvert(), "key_rows"_a, "rows"_a,
           "special"_a, "width"_a)
      .def("switch_digits", &switch_decomposed, "out"_a.noconvert(), "digits"_a.noconvert(),
           "key"_a.noconvert(), "key_rows"_a, "offset"_a.noconvert(), "rows"_a, "special"_a,
           "width"_a)
      .def("switch_key", &switch_whole, "out"_a.noconvert(), "x"_a.noconvert(), "key"_a.noconvert(),
           "key_rows"_a, "offset"_a.noconvert(), "rows"_a, "special"_a, "width"_a)
      .def("lower", &lower_rows, "out"_a.noconvert(), "x"_a.noconvert(), "kept"_a, "dropped"_a,
           "t"_a = 1)
      .def("rotate", &rotate_rows, "out"_a.noconvert(), "x"_a.noconvert(), "g"_a)
      .def("from_integers", &embed_numbers<std::int64_t, from_integers>, "out"_a.noconvert(),
           "x"_a.noconvert(), "rows"_a)
      .def("from_reals", &embed_numbers<double, from_reals>, "out"_a.noconvert(), "x"_a.noconvert(),
           "rows"_a)
      .def("to_reals", &lift_reals, "out"_a.noconvert(), "x"_a.noconvert(), "rows"_a)
      .def("to_residues", &lift_residues, "out"_a.noconvert(), "x"_a.noconvert(), "rows"_a, "t"_a)
      .def("pack", &pack_rows, "x"_a.noconvert(), "rows"_a)
      .def("unpack", &unpack_rows, "out"_a.noconvert(), "packed"_a, "rows"_a)
      .def("uniform", &expand, "out"_a.noconvert(), "rows"_a, "seed"_a, "first"_a = 0)
      .def("expand_key", &expand_key, "key"_a.noconvert(), "rows"_a, "seed"_a)
      .def("encrypt", &encrypt_under, "out"_a.noconvert(), "key"_a.noconvert(), "key_rows"_a,
           "message"_a.none(), "rows"_a, "special"_a, "t"_a = 1);

  nb::class_<Secret>(m, "Secret", "A ternary secret, wiped when released.")
      .def(nb::init<const Ring&>(), "ring"_a, nb::keep_alive<1, 2>())
      .def(
          "__init__",
          [](Secret* self, const Ring& ring, Array<const std::int8_t, 1> given) {
            new (self) Secret(ring, std::span(given.data(), given.size()));
          },
          "ring"_a, "coefficients"_a.noconvert(), nb::keep_alive<1, 2>())
      .def(
          "coefficients",
          [](const Secret& self, Array<std::int8_t, 1> out) {
            const auto own = self.coefficients();
            require(out.shape(0) == own.size(), "there are N coefficients");
            std::copy(own.begin(), own.end(), out.data());
          },
          "out"_a.noconvert())
      .def("encrypt", &encrypt, "out"_a.noconvert(), "message"_a.none(), "rows"_a, "t"_a = 1)
      .def("phase", &phase, "out"_a.noconvert(), "ciphertext"_a.noconvert(), "rows"_a)
      .def("switching_key", &switching_key, "out"_a.noconvert(), "g"_a, "rows"_a, "special"_a,
           "width"_a, "t"_a = 1);

  nb::class_<SumKey>(m, "SumKey", "A short key for one vector, wiped when released.")
      .def("__init__", &new_sum_key, "ring"_a, "high"_a, "low"_a, "seed"_a, nb::keep_alive<1, 2>())
      .def("encrypt", &encrypt_numbers, "out"_a.noconvert(), "numbers"_a.noconvert(), "shared"_a,
           "bits"_a)
      .def("share", &share_key, "out"_a.noconvert(), "points"_a, "threshold"_a);
}

}  // namespace confide
