#include "sequencewise_call.h"

#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "convolution_plan.h"
#include "dispatch.h"
#include "threads.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace seqae {
namespace {

template <class T, int n_dims>
using Array = nb::ndarray<T, nb::ndim<n_dims>, nb::c_contig, nb::device::cpu>;
using Counts = Array<const std::int64_t, 1>;
using Values = Array<const float, 2>;
using Observed = std::optional<Array<const bool, 2>>;

void require(bool holds, const char* message) {
    if (!holds) throw nb::value_error(message);
}

// starts: none where the sequences' values are not read, but lie back to back
Sequences sequences_of(const Counts* starts, const Counts& lengths, std::int64_t n_rows, std::int64_t n_channels) {
    Sequences s;
    s.n = std::int64_t(lengths.shape(0)), s.n_channels = int(n_channels);
    s.starts = starts ? starts->data() : nullptr, s.lengths = lengths.data();
    require(!starts || starts->shape(0) == lengths.shape(0), "starts and lengths must have one size");
    for (std::int64_t i = 0; i < s.n; ++i)
        require(s.lengths[i] >= 0 && (!starts || (s.starts[i] >= 0 && s.starts[i] <= n_rows - s.lengths[i])),
                "starts and lengths must lie within values");
    return s;
}

Sequences sequences_of(const Values& values, const Observed& observed, const Counts& starts, const Counts& lengths) {
    Sequences s = sequences_of(&starts, lengths, std::int64_t(values.shape(0)), std::int64_t(values.shape(1)));
    require(!observed || (observed->shape(0) == values.shape(0) && observed->shape(1) == values.shape(1)),
            "observed must have the shape of values");
    s.values = values.data(), s.observed = observed ? observed->data() : nullptr;
    return s;
}

const SequencewiseOperations& active_operations() { return *active_kernel().sequencewise; }

CurveProblem curves_of(const Sequences& sequences, const Array<double, 3>& curves) {
    CurveProblem p{sequences, int(curves.shape(1)), curves.data()};
    require(std::int64_t(curves.shape(0)) == sequences.n && curves.shape(1) > 0 && int(curves.shape(2)) == sequences.n_channels,
            "curves must have shape (n_sequences, n_points, n_channels)");
    return p;
}

template <void (*SequencewiseOperations::*operation)(const CurveProblem&, int)>
void to_curves(Values values, Observed observed, Counts starts, Counts lengths, Array<double, 3> curves, int n_threads) {
    const CurveProblem p = curves_of(sequences_of(values, observed, starts, lengths), curves);
    const SequencewiseOperations& operations = active_operations();
    const nb::gil_scoped_release release;
    (operations.*operation)(p, n_threads);
}

void grid_write(Array<double, 3> curves, Counts lengths, Array<float, 2> steps, int n_threads) {
    CurveProblem p = curves_of(sequences_of(nullptr, lengths, 0, std::int64_t(curves.shape(2))), curves);
    std::vector<std::int64_t> firsts(lengths.shape(0));
    std::int64_t n_steps = 0;
    for (std::size_t i = 0; i < firsts.size(); n_steps += lengths.data()[i++]) firsts[i] = n_steps;
    require(std::int64_t(steps.shape(0)) == n_steps && steps.shape(1) == curves.shape(2),
            "steps must have shape (n_steps, n_channels)");
    p.steps = steps.data(), p.firsts = firsts.data();
    const SequencewiseOperations& operations = active_operations();
    const nb::gil_scoped_release release;
    operations.grid_write(p, n_threads);
}

// observed: none for one channel that all is observed of
void grid_gram(Observed observed, Counts starts, Counts lengths, Array<double, 3> diagonal, Array<double, 3> beside,
               int n_threads) {
    const std::int64_t n_rows = observed ? std::int64_t(observed->shape(0)) : 0;
    Sequences s = sequences_of(observed ? &starts : nullptr, lengths, n_rows, observed ? std::int64_t(observed->shape(1)) : 1);
    s.observed = observed ? observed->data() : nullptr;
    CurveProblem p = curves_of(s, diagonal);
    require(beside.shape(0) == diagonal.shape(0) && beside.shape(1) + 1 == diagonal.shape(1) &&
                beside.shape(2) == diagonal.shape(2),
            "beside must have one point less than the diagonal");
    p.beside = beside.data();
    const SequencewiseOperations& operations = active_operations();
    const nb::gil_scoped_release release;
    operations.grid_gram(p, n_threads);
}

Convolutions convolutions_of(const Counts& dilations, const Array<const bool, 3>& channels, const Counts& n_biases) {
    Convolutions of{std::int64_t(dilations.shape(0)), int(channels.shape(2)), dilations.data(), n_biases.data(),
                    channels.data()};
    require(channels.shape(0) == dilations.shape(0) && channels.shape(1) == n_kernels &&
                n_biases.shape(0) == dilations.shape(0),
            "channels must be (n_dilations, 84, n_channels), and n_biases (n_dilations,)");
    for (std::int64_t d = 0; d < of.n_dilations; ++d)
        require(std::min(of.dilations[d], of.n_biases[d]) >= 1 && std::max(of.dilations[d], of.n_biases[d]) < 1 << 24,
                "dilations and n_biases must lie in 1..2**24");
    for (std::int64_t k = 0; k < of.n_dilations * n_kernels; ++k) {
        const bool* const own = of.channels + k * of.n_channels;
        require(std::any_of(own, own + of.n_channels, [](bool is_read) { return is_read; }), "each kernel must read a channel");
    }
    return of;
}

std::int64_t longest_of(const Sequences& s) { return s.n ? *std::max_element(s.lengths, s.lengths + s.n) : 0; }

void convolution_shares(Values values, Observed observed, Counts starts, Counts lengths, Counts dilations,
                        Array<const bool, 3> channels, Counts n_biases, bool is_standardised,
                        Array<const float, 1> biases, Array<float, 2> shares, int n_threads) {
    ConvolutionProblem p{sequences_of(values, observed, starts, lengths), is_standardised};
    const Convolutions convolutions = convolutions_of(dilations, channels, n_biases);
    require(convolutions.n_channels == p.sequences.n_channels, "values must have the channels of the convolutions");
    require(std::int64_t(biases.shape(0)) == convolutions.n_features() && shares.shape(1) == biases.shape(0) &&
                std::int64_t(shares.shape(0)) == p.sequences.n,
            "biases must be (n_features,), and shares (n_sequences, n_features)");
    p.longest = longest_of(p.sequences);
    p.n_features = int(convolutions.n_features()), p.shares = shares.data();
    const SequencewiseOperations& operations = active_operations();
    const nb::gil_scoped_release release;
    const ConvolutionPlan plan = plan_shares(convolutions, biases.data());
    plan.into(p);
    operations.convolution_shares(p, n_threads);
}

void convolution_quantiles(Values values, Observed observed, Counts starts, Counts lengths, Counts dilations,
                           Array<const bool, 3> channels, Counts n_biases, bool is_standardised, Counts samples,
                           Array<const double, 1> probabilities, Array<float, 1> quantiles, int n_threads) {
    ConvolutionProblem p{sequences_of(values, observed, starts, lengths), is_standardised};
    const Convolutions convolutions = convolutions_of(dilations, channels, n_biases);
    require(convolutions.n_channels == p.sequences.n_channels, "values must have the channels of the convolutions");
    require(std::int64_t(probabilities.shape(0)) == convolutions.n_features() && quantiles.shape(0) == probabilities.shape(0),
            "probabilities and quantiles must be (n_features,)");
    p.longest = longest_of(p.sequences);
    p.n_samples = std::int64_t(samples.shape(0)), p.samples = samples.data();
    require(p.n_samples > 0, "there must be samples");
    const SequencewiseOperations& operations = active_operations();
    const nb::gil_scoped_release release;
    std::vector<float> outputs(n_kernels * p.n_samples);
    p.n_features = n_kernels, p.outputs = outputs.data();
    const double* wanted = probabilities.data();
    float* out = quantiles.data();
    for (std::int64_t d = 0; d < convolutions.n_dilations; ++d) {
        const std::int64_t n = convolutions.n_biases[d];
        const ConvolutionPlan plan = plan_outputs(convolutions.only(d));
        plan.into(p);
        operations.convolution_outputs(p, n_threads);
        parallel_for(n_kernels, n_threads, [&](int k, int) {
            take_quantiles(p.outputs + k * p.n_samples, p.n_samples, wanted + k * n, n, out + k * n);
        });
        wanted += n_kernels * n, out += n_kernels * n;
    }
}

void statistics(Values values, Observed observed, Counts starts, Counts lengths, Array<float, 2> out, int n_threads) {
    const StatisticsProblem p{sequences_of(values, observed, starts, lengths), out.data()};
    require(std::int64_t(out.shape(0)) == p.sequences.n && int(out.shape(1)) == 6 * p.sequences.n_channels + 1,
            "out must have shape (n_sequences, 6 n_channels + 1)");
    const SequencewiseOperations& operations = active_operations();
    const nb::gil_scoped_release release;
    operations.statistics(p, n_threads);
}

template <class T, void (*SequencewiseOperations::*operation)(const AffineProblem<T>&, int)>
void affine(Array<const T, 2> x, Array<const T, 2> matrix, Array<const T, 1> offset, Array<T, 2> out, int n_threads) {
    const AffineProblem<T> p{std::int64_t(x.shape(0)), std::int64_t(x.shape(1)), std::int64_t(matrix.shape(1)), x.data(),
                             matrix.data(), offset.data(), out.data()};
    require(matrix.shape(0) == x.shape(1) && offset.shape(0) == matrix.shape(1) && out.shape(0) == x.shape(0) &&
                out.shape(1) == matrix.shape(1),
            "matrix must be (n_inputs, n_outputs), offset (n_outputs,), and out (n, n_outputs)");
    const SequencewiseOperations& operations = active_operations();
    const nb::gil_scoped_release release;
    (operations.*operation)(p, n_threads);
}

}  // namespace

void add_sequencewise(nb::module_& m) {
    m.def("grid_read", &to_curves<&SequencewiseOperations::grid_read>, "values"_a, "observed"_a.none(), "starts"_a,
          "lengths"_a, "curves"_a, "n_threads"_a);
    m.def("resample", &to_curves<&SequencewiseOperations::resample>, "values"_a, "observed"_a.none(), "starts"_a,
          "lengths"_a, "curves"_a, "n_threads"_a);
    m.def("grid_write", &grid_write, "curves"_a, "lengths"_a, "steps"_a, "n_threads"_a);
    m.def("grid_gram", &grid_gram, "observed"_a.none(), "starts"_a, "lengths"_a, "diagonal"_a, "beside"_a, "n_threads"_a);
    m.def("convolution_shares", &convolution_shares, "values"_a, "observed"_a.none(), "starts"_a, "lengths"_a,
          "dilations"_a, "channels"_a, "n_biases"_a, "is_standardised"_a, "biases"_a, "shares"_a, "n_threads"_a);
    m.def("convolution_quantiles", &convolution_quantiles, "values"_a, "observed"_a.none(), "starts"_a, "lengths"_a,
          "dilations"_a, "channels"_a, "n_biases"_a, "is_standardised"_a, "samples"_a, "probabilities"_a, "quantiles"_a,
          "n_threads"_a);
    m.def("affine", &affine<float, &SequencewiseOperations::affine_float>, "x"_a.noconvert(), "matrix"_a.noconvert(),
          "offset"_a.noconvert(), "out"_a.noconvert(), "n_threads"_a);
    m.def("affine", &affine<double, &SequencewiseOperations::affine_double>, "x"_a.noconvert(), "matrix"_a.noconvert(),
          "offset"_a.noconvert(), "out"_a.noconvert(), "n_threads"_a);
    m.def("statistics", &statistics, "values"_a, "observed"_a.none(), "starts"_a, "lengths"_a, "out"_a, "n_threads"_a);
}

}  // namespace seqae
