// What the forward pass stores for the backward pass, which overwrites it.
#pragma once
#include <cstdint>
#include <vector>

#include "memory.h"
#include "plan.h"

namespace seqae {

constexpr int most_layers = 16;

struct Tape {
    Plan plan;
    Block memory;
    std::vector<std::int64_t> tile_starts;  // in values, within memory
};

}  // namespace seqae
