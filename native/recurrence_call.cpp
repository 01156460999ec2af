#include "recurrence_call.h"

#include <utility>

namespace seqae {
namespace {

constexpr int n_leading = 3, n_weights = 4;  // tensors before the layers', weights of a layer

bool is_double(nb::tuple tensors) { return view_of(tensors[n_leading], "weights").dtype == nb::dtype<double>(); }

}  // namespace

Recurrence::Recurrence(CellKind cell, Activation activation, Source source, bool reverse, nb::handle starts,
                       nb::handle lengths)
    : kernel_(active_kernel()), cell_(cell), activation_(activation), source_(source), reverse_(reverse),
      starts_(counts_of(starts, "starts")), lengths_(counts_of(lengths, "lengths")) {
    for (const std::int64_t length : lengths_) {
        if (length < 0) throw nb::value_error("lengths must not be negative");
        n_steps_ += length;
    }
}

void Recurrence::check_rows(std::int64_t n_rows) const {
    const auto n = std::int64_t(lengths_.size());
    if (source_ != Source::steps) {
        if (n_rows != n) throw nb::value_error("there must be one input row per sequence");
        return;
    }
    if (starts_.size() != lengths_.size()) throw nb::value_error("starts and lengths must have one size");
    for (std::int64_t i = 0; i < n; ++i)
        if (starts_[i] < 0 || starts_[i] > n_rows || lengths_[i] > n_rows - starts_[i])
            throw nb::value_error("starts and lengths must lie within values");
}

template <class T>
Problem<T> Recurrence::read_problem(nb::tuple tensors, std::vector<Layer<T>>& layers) const {
    const int n_gates = cell_ == CellKind::lstm ? 4 : 3;
    const int per_layer = n_weights + n_states();
    const int n_layers = int(nb::len(tensors) - n_leading) / per_layer;
    if (n_layers < 1 || n_layers > most_layers || std::size_t(n_leading + n_layers * per_layer) != nb::len(tensors))
        throw nb::value_error("a recurrence has 1 to 16 layers");
    const auto n = std::int64_t(lengths_.size());
    Problem<T> p{cell_, activation_, source_, reverse_, n};
    p.starts = starts_.data(), p.lengths = lengths_.data();
    const View values = view_of(tensors[0], "inputs");
    if (values.n_dims != 2) throw nb::value_error("inputs must be a matrix");
    p.values = checked<const T>(values, "inputs");
    p.n_rows = values.shape[0];
    check_rows(p.n_rows);
    std::int64_t input_size = values.shape[1];
    layers.resize(n_layers);
    for (int k = 0; k < n_layers; ++k) {
        const int at = n_leading + k * per_layer;
        const std::int64_t H = view_of(tensors[at + 1], "hidden weights").shape[1], rows = n_gates * H;
        Layer<T>& layer = layers[k];
        layer.hidden_size = int(H), layer.input_size = int(input_size);
        layer.input = read<const T>(tensors[at], "input weights", rows, input_size ? input_size : any);
        layer.hidden = read<const T>(tensors[at + 1], "hidden weights", rows, H);
        layer.input_bias = read<const T>(tensors[at + 2], "input bias", rows);
        layer.hidden_bias = read<const T>(tensors[at + 3], "hidden bias", rows);
        for (int s = 0; s < n_states(); ++s) layer.state[s] = read<const T>(tensors[at + n_weights + s], "state", n, H);
        input_size = H;
    }
    p.n_layers = n_layers, p.layers = layers.data(), p.n_channels = int(input_size);
    if (tensors[1].is_none()) return p;
    p.n_channels = int(view_of(tensors[1], "readout weight").shape[0]);
    p.readout_weight = read<const T>(tensors[1], "readout weight", p.n_channels, input_size);
    p.readout_bias = read<const T>(tensors[2], "readout bias", p.n_channels);
    if (source_ == Source::feedback && p.n_channels != values.shape[1])
        throw nb::value_error("the readout must have as many channels as the first input");
    return p;
}

template <class T>
void Recurrence::forward_of(nb::tuple tensors, nb::handle outputs, nb::tuple final_states, bool keep, int n_threads) {
    std::vector<Layer<T>> layers;
    Problem<T> p = read_problem(tensors, layers);
    p.outputs = read<T>(outputs, "outputs", n_steps_, p.n_channels);
    for (std::size_t i = 0; i < nb::len(final_states); ++i) {
        Layer<T>& layer = layers.at(i / n_states());
        layer.final_state[i % n_states()] = read<T>(final_states[i], "final state", p.n_sequences, layer.hidden_size);
    }
    is_kept_ = keep;
    const nb::gil_scoped_release release;
    kernel_.of<T>().forward(p, tape_, keep, n_threads);
}

void Recurrence::forward(nb::tuple tensors, nb::handle outputs, nb::tuple final_states, bool keep, int n_threads) {
    is_double(tensors) ? forward_of<double>(tensors, outputs, final_states, keep, n_threads)
                       : forward_of<float>(tensors, outputs, final_states, keep, n_threads);
}

template <class T>
void Recurrence::choose_of(nb::tuple tensors, nb::handle embedding, nb::handle chosen, int n_threads) const {
    std::vector<Layer<T>> layers;
    SymbolProblem<T> symbols{read_problem(tensors, layers)};
    const Problem<T>& p = symbols.stack;
    if (source_ != Source::constant || !p.readout_weight || p.n_channels < 1)
        throw nb::value_error("choosing symbols needs one first input per sequence and a readout");
    const View rows = view_of(embedding, "embedding");
    if (rows.n_dims != 2 || rows.shape[0] < p.n_channels || rows.shape[1] != p.layers[0].input_size)
        throw nb::value_error("embedding must have a row of the input's size for each row of the readout");
    symbols.embedding = checked<const T>(rows, "embedding");
    symbols.chosen = read<std::int32_t>(chosen, "symbols", n_steps_);
    const nb::gil_scoped_release release;
    kernel_.of<T>().choose(symbols, n_threads);
}

void Recurrence::choose(nb::tuple tensors, nb::handle embedding, nb::handle chosen, int n_threads) const {
    is_double(tensors) ? choose_of<double>(tensors, embedding, chosen, n_threads)
                       : choose_of<float>(tensors, embedding, chosen, n_threads);
}

template <class T>
void Recurrence::backward_of(nb::tuple tensors, nb::handle output_gradient, nb::tuple final_gradients,
                             nb::tuple gradients, int n_threads) {
    std::vector<Layer<T>> layers;
    const Problem<T> p = read_problem(tensors, layers);
    const int n_gates = cell_ == CellKind::lstm ? 4 : 3;
    std::vector<LayerGradients<T>> of_layers(layers.size());
    for (std::size_t k = 0; k < layers.size(); ++k) {
        const std::int64_t H = layers[k].hidden_size, rows = n_gates * H;
        const std::size_t at = n_leading + k * (n_weights + n_states());
        LayerGradients<T>& g = of_layers[k];
        g.input = read<T>(gradients[at], "gradient", rows, layers[k].input_size ? layers[k].input_size : any);
        g.hidden = read<T>(gradients[at + 1], "gradient", rows, H);
        g.input_bias = read<T>(gradients[at + 2], "gradient", rows);
        g.hidden_bias = read<T>(gradients[at + 3], "gradient", rows);
        for (int s = 0; s < n_states(); ++s) {
            g.state[s] = read<T>(gradients[at + n_weights + s], "gradient", p.n_sequences, H);
            if (nb::len(final_gradients))
                g.final_state[s] = read<const T>(final_gradients[k * n_states() + s], "gradient", p.n_sequences, H);
        }
    }
    Gradients<T> g{read<const T>(output_gradient, "gradient", n_steps_, p.n_channels), of_layers.data()};
    g.values = read<T>(gradients[0], "gradient", p.n_rows, any);
    g.readout_weight = read<T>(gradients[1], "gradient", p.n_channels, any);
    g.readout_bias = read<T>(gradients[2], "gradient", p.n_channels);
    Tape tape = std::exchange(tape_, Tape());
    const bool is_first = std::exchange(is_kept_, false);
    const nb::gil_scoped_release release;
    // the backward pass overwrites the tape: a second one, with retain_graph, runs forward again
    if (!is_first) kernel_.of<T>().forward(p, tape, true, n_threads);
    kernel_.of<T>().backward(p, g, tape, n_threads);
}

void Recurrence::backward(nb::tuple tensors, nb::handle output_gradient, nb::tuple final_gradients, nb::tuple gradients,
                          int n_threads) {
    is_double(tensors) ? backward_of<double>(tensors, output_gradient, final_gradients, gradients, n_threads)
                       : backward_of<float>(tensors, output_gradient, final_gradients, gradients, n_threads);
}

}  // namespace seqae
