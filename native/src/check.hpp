// Checks of what Python hands over.
#pragma once

#include <stdexcept>

namespace confide {

inline void require(bool holds, const char* message) {
  if (!holds) throw std::invalid_argument(message);
}

}  // namespace confide
