#include "noise.hpp"

#include <algorithm>

namespace confide {

Table::Table(std::span<const std::uint64_t> floors) : floors_(floors) {
  constexpr std::uint64_t rest = (std::uint64_t{1} << (kWordBits - kGuideBits)) - 1;
  std::size_t cell = 0;
  for (std::size_t entry = 0; entry < guide_.size(); ++entry) {
    const std::uint64_t first = static_cast<std::uint64_t>(entry) << (kWordBits - kGuideBits);
    while (cell < floors_.size() && floors_[cell] < first) ++cell;
    const bool decided = cell == floors_.size() || floors_[cell] > (first | rest);
    guide_[entry] = decided ? static_cast<std::int16_t>(unfolded(cell)) : kAmbiguous;
  }
}

bool Table::searches(std::uint64_t word, std::int64_t& j) const {
  const auto end = std::lower_bound(floors_.begin(), floors_.end(), word);
  j = unfolded(static_cast<std::size_t>(end - floors_.begin()));
  return end == floors_.end() || *end != word;
}

double taylor_exp(double exponent) {
  double nested = 1.0;
  for (int i = 18; i > 0; --i) nested = 1.0 - exponent * (1.0 / i) * nested;
  return nested;
}

}  // namespace confide
