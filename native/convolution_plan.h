// Convolutions in the order in which they are computed: by the channels that they read, then dilation, then taps.
#pragma once
#include <cstdint>
#include <vector>

#include "sequencewise.h"

namespace seqae {

// What Python says: dilations, n_biases: (n_dilations); channels: (n_dilations, n_kernels, n_channels).
struct Convolutions {
    std::int64_t n_dilations = 0;
    int n_channels = 0;
    const std::int64_t *dilations = nullptr, *n_biases = nullptr;
    const bool* channels = nullptr;

    Convolutions only(std::int64_t dilation) const;
    std::int64_t n_features() const;
};

struct ConvolutionPlan {
    std::vector<std::int32_t> channels;
    std::vector<KernelGroup> groups;
    std::vector<Comparison> comparisons;
    std::vector<ChannelSet> sets;
    std::int64_t largest_dilation = 1;

    void into(ConvolutionProblem& p) const;
};

// biases: (n_features), by dilation, then kernel, then bias.
ConvolutionPlan plan_shares(const Convolutions& convolutions, const float* biases);

// A feature for each kernel of the one dilation.
ConvolutionPlan plan_outputs(const Convolutions& one_dilation);

// The values at the places floor(p (n - 1)) of n in ascending order; n > 0, and values are left in another order.
void take_quantiles(float* values, std::int64_t n, const double* probabilities, std::int64_t n_quantiles, float* out);

}  // namespace seqae
