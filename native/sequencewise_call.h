// The functions of whole sequences, from Python.
#pragma once
#include <nanobind/nanobind.h>

namespace seqae {

void add_sequencewise(nanobind::module_& m);

}  // namespace seqae
