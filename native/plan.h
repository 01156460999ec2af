// Which sequences are computed together. It depends on their lengths only, and so do the results.
#pragma once
#include <cstdint>
#include <vector>

namespace seqae {

// Sequences order[first .. first + n_sequences), longest first. Wide: one lane each; narrow: a single sequence.
struct Tile {
    std::int64_t first;
    int n_sequences;
    int n_lanes;  // a multiple of the vector width; 1: narrow
    std::int64_t n_steps;  // of the longest
};

// Made and destroyed by functions of plan.cpp: inline ones would be compiled for each instruction set, and the linker
// might keep one that this machine cannot run.
struct Plan {
    Plan();
    ~Plan();
    Plan(Plan&&) noexcept;
    Plan& operator=(Plan&&) noexcept;

    std::vector<std::int64_t> order;    // sequence of each place, longest first, ties in order
    std::vector<std::int64_t> offsets;  // (n_sequences): where each one's steps begin when they lie back to back
    std::vector<Tile> tiles;
    std::int64_t n_steps = 0;
};

// lengths: (n_sequences); width: lanes of a vector.
Plan make_plan(const std::int64_t* lengths, std::int64_t n_sequences, int width);

}  // namespace seqae
