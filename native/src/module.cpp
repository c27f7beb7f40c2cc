// What Python sees: checks of the arguments, the words as they are asked for, and the lock.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>
#include <vector>

#include "check.hpp"
#include "modules.hpp"
#include "noise.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using confide::Law;
using confide::require;
using confide::Table;
using confide::Verdict;

using Out = nb::ndarray<std::int64_t, nb::numpy, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Floors =
    nb::ndarray<const std::uint64_t, nb::numpy, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

constexpr std::size_t kWordsPerProposal = 3;
constexpr std::size_t kProposalsAtATime = 8192;  // 192 KiB of words stay in a core's cache

Law checked_law(int shift, std::int64_t bound, double quadratic, double linear) {
  require(0 <= shift && shift <= confide::kMostShift, "shift lies between 0 and 36");
  require(1 <= bound && bound <= confide::kFarthest, "bound lies between 1 and 2^61");
  require(std::isfinite(quadratic) && quadratic >= 0, "quadratic is finite and not negative");
  require(std::isfinite(linear) && linear >= 0, "linear is finite and not negative");
  return {shift, bound, quadratic, linear};
}

std::span<const std::uint64_t> checked_floors(const Floors& floors) {
  const std::span<const std::uint64_t> all(floors.data(), floors.size());
  require(!all.empty() && all.size() <= confide::kMostFloors, "there are 1 to 32,000 floors");
  require(std::is_sorted(all.begin(), all.end()), "floors do not fall");
  return all;
}

// Calls back into Python, which settles what 64 bits leave open. Takes the lock for it.
class Resolver {
 public:
  Resolver(const Law& law, const nb::callable& cell, const nb::callable& keeps)
      : law_(law), cell_(cell), keeps_(keeps) {}

  std::int64_t cell(std::uint64_t word) const {
    const nb::gil_scoped_acquire lock;
    const auto j = nb::cast<std::int64_t>(cell_(word));
    const std::int64_t most = confide::kFarthest >> law_.shift;
    require(-most - 1 <= j && j <= most, "cell gave a cell beyond 2^61");
    return j;
  }

  bool keeps(std::int64_t x, std::uint64_t word) const {
    const nb::gil_scoped_acquire lock;
    return nb::cast<bool>(keeps_(x, word));
  }

 private:
  const Law& law_;
  const nb::callable& cell_;
  const nb::callable& keeps_;
};

class Sampler {
 public:
  Sampler(const Law& law, const Table& table, const Resolver& resolver)
      : law_(law), table_(table), resolver_(resolver) {}

  // Appends the samples that the words yield; there is room for one of each proposal.
  std::int64_t* take(std::span<const std::uint64_t> words, std::int64_t* out) const {
    return law_.shift ? propose(words, out) : invert(words, out);
  }

 private:
  // Cells that are single integers.
  std::int64_t* invert(std::span<const std::uint64_t> words, std::int64_t* out) const {
    for (const std::uint64_t word : words) *out++ = cell(word);
    return out;
  }

  std::int64_t* propose(std::span<const std::uint64_t> words, std::int64_t* out) const {
    const std::uint64_t places = (std::uint64_t{1} << law_.shift) - 1;
    for (std::size_t at = 0; at < words.size(); at += kWordsPerProposal) {
      const auto place = static_cast<std::int64_t>(words[at + 1] & places);
      const std::int64_t x = (cell(words[at]) << law_.shift) + place;
      if (keeps(x, words[at + 2]) && -law_.bound <= x && x <= law_.bound) *out++ = x;
    }
    return out;
  }

  std::int64_t cell(std::uint64_t word) const {
    std::int64_t j;
    if (!table_.decides(word, j)) [[unlikely]]
      j = resolver_.cell(word);
    return j;
  }

  bool keeps(std::int64_t x, std::uint64_t word) const {
    const Verdict verdict = confide::compare(confide::excess(law_, x), word);
    if (verdict == Verdict::kUndecided) [[unlikely]]
      return resolver_.keeps(x, word);
    return verdict == Verdict::kKept;
  }

  const Law& law_;
  const Table& table_;
  const Resolver& resolver_;
};

void fill(Out out, Floors floors, int shift, std::int64_t bound, double quadratic, double linear,
          const nb::callable& refill, const nb::callable& cell, const nb::callable& keeps) {
  const Law law = checked_law(shift, bound, quadratic, linear);
  const Table table(checked_floors(floors));
  const Resolver resolver(law, cell, keeps);
  const Sampler sampler(law, table, resolver);
  const std::size_t words_each = law.shift ? kWordsPerProposal : 1;

  std::vector<std::uint64_t> words(kProposalsAtATime * words_each);
  std::vector<std::int64_t> kept(kProposalsAtATime);
  std::int64_t* next = out.data();
  std::int64_t* const end = next + out.size();
  while (next != end) {
    const auto missing = static_cast<std::size_t>(end - next);
    const std::size_t count = std::min(kProposalsAtATime, missing + missing / 16 + 2) * words_each;
    const nb::object given = refill(count);
    require(nb::isinstance<nb::bytes>(given), "refill gave something else than bytes");
    const auto bytes = nb::borrow<nb::bytes>(given);
    require(bytes.size() == count * sizeof(std::uint64_t), "refill gave too many or too few bytes");
    std::memcpy(words.data(), bytes.c_str(), bytes.size());

    const nb::gil_scoped_release unlocked;
    const std::int64_t* const last = sampler.take({words.data(), count}, kept.data());
    const auto fresh = std::min(missing, static_cast<std::size_t>(last - kept.data()));
    next = std::copy_n(kept.data(), fresh, next);
  }
}

}  // namespace

NB_MODULE(_kernel, m) {
  m.attr("__version__") = CONFIDE_VERSION;
  m.def("fill", &fill, "out"_a.noconvert(), nb::kw_only(), "floors"_a.noconvert(), "shift"_a,
        "bound"_a, "quadratic"_a, "linear"_a, "refill"_a, "cell"_a, "keeps"_a,
        "Fills an array with independent samples of a law: see confide.noise.reference.\n\n"
        "Args:\n"
        "    out: One-dimensional, contiguous int64, written to.\n"
        "    floors: The law's table.\n"
        "    shift: s; cells are 2^s wide.\n"
        "    bound: B, at most 2^61.\n"
        "    quadratic: q.\n"
        "    linear: l.\n"
        "    refill: Gives so many words of 64 uniform bits, as bytes.\n"
        "    cell: Settles a word that the table leaves undecided: the j of its cell.\n"
        "    keeps: Settles whether a proposal x is kept, given the first word of V.\n\n"
        "Raises:\n"
        "    ValueError: If an argument is out of range, or a callback's answer is.\n"
        "    TypeError: If one is of the wrong type.");
  confide::define_ring(m);
}
