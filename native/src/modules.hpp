// The parts of the extension module.
#pragma once

#include <nanobind/nanobind.h>

namespace confide {

void define_ring(nanobind::module_& m);

}  // namespace confide
