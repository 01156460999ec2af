// What is asked of the kernel about whole sequences and their rows, without a recurrence; values are float32.
#pragma once
#include <cstdint>

namespace seqae {

struct Sequences {
    std::int64_t n = 0;
    const std::int64_t *starts = nullptr, *lengths = nullptr;  // (n)
    int n_channels = 0;
    const float* values = nullptr;   // (n_rows, n_channels)
    const bool* observed = nullptr;  // the same; null: all
};

struct CurveProblem {
    Sequences sequences;  // their values are not read where curves become steps
    int n_points = 0;
    double* curves = nullptr;              // (n, n_points, n_channels)
    double* beside = nullptr;              // (n, n_points - 1, n_channels): of a Gram matrix, whose diagonals are curves
    float* steps = nullptr;                // (n_steps, n_channels), back to back
    const std::int64_t* firsts = nullptr;  // (n): where each sequence begins in these
};

// Where one output of a kernel is compared with one bias.
struct Comparison {
    float bias;
    std::int32_t feature;
    std::int8_t taps[3];  // that weigh 2, ascending
    std::int8_t n_alike;  // comparisons from this one on that share the first two taps, at most most_alike
};

constexpr int n_taps = 9, n_kernels = 84, most_alike = 4;

// The kernels of one dilation that read one set of channels; comparisons from first to before last.
struct KernelGroup {
    std::int64_t dilation;
    std::int32_t first, last;
};

// Channels whose sum is convolved, and the groups of kernels that read it.
struct ChannelSet {
    const std::int32_t* channels;
    int n_channels;
    const KernelGroup *groups, *groups_end;
};

struct ConvolutionProblem {
    Sequences sequences;
    bool is_standardised = false;
    std::int64_t longest = 0, largest_dilation = 1;
    const ChannelSet *sets = nullptr, *sets_end = nullptr;
    const Comparison* comparisons = nullptr;
    int n_features = 0;
    float* shares = nullptr;  // (n, n_features)
    // or: outputs of each kernel, its number being the feature, of some steps, counted through all sequences
    std::int64_t n_samples = 0;
    const std::int64_t* samples = nullptr;  // (n_samples), ascending
    float* outputs = nullptr;               // (n_features, n_samples)
};

struct StatisticsProblem {
    Sequences sequences;
    float* out = nullptr;  // (n, 6 n_channels + 1)
};

template <class T>
struct AffineProblem {
    std::int64_t n = 0, n_inputs = 0, n_outputs = 0;
    const T *x = nullptr, *matrix = nullptr, *offset = nullptr;  // (n, n_inputs), (n_inputs, n_outputs), (n_outputs)
    T* out = nullptr;                                            // (n, n_outputs)
};

struct SequencewiseOperations {
    void (*grid_read)(const CurveProblem&, int n_threads);
    void (*grid_write)(const CurveProblem&, int n_threads);
    void (*grid_gram)(const CurveProblem&, int n_threads);
    void (*resample)(const CurveProblem&, int n_threads);
    void (*convolution_shares)(const ConvolutionProblem&, int n_threads);
    void (*convolution_outputs)(const ConvolutionProblem&, int n_threads);
    void (*statistics)(const StatisticsProblem&, int n_threads);
    void (*affine_float)(const AffineProblem<float>&, int n_threads);
    void (*affine_double)(const AffineProblem<double>&, int n_threads);
};

}  // namespace seqae
