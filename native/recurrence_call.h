// One recurrence called from Python: reads its tensors, runs forward, and stores what backward() needs.
#pragma once
#include <nanobind/nanobind.h>

#include <vector>

#include "dispatch.h"
#include "tensors.h"

namespace seqae {

// tensors: values, readout weight and bias, and per layer W_input, W_hidden, b_input, b_hidden, h and (LSTM) c; None
// where there is none. Gradients come in the same order; those of weights are added to what is there.
class Recurrence {
public:
    Recurrence(CellKind cell, Activation activation, Source source, bool reverse, nb::handle starts,
               nb::handle lengths);
    void forward(nb::tuple tensors, nb::handle outputs, nb::tuple final_states, bool keep, int n_threads);
    void backward(nb::tuple tensors, nb::handle output_gradient, nb::tuple final_gradients, nb::tuple gradients,
                  int n_threads);
    // symbols that the stack chooses, (n_steps) int32; tensors' values are the first inputs
    void choose(nb::tuple tensors, nb::handle embedding, nb::handle chosen, int n_threads) const;
    const char* kernel() const { return kernel_.name; }
    int n_states() const { return cell_ == CellKind::lstm ? 2 : 1; }
    std::int64_t n_sequences() const { return std::int64_t(lengths_.size()); }
    std::int64_t n_steps() const { return n_steps_; }

private:
    template <class T>
    Problem<T> read_problem(nb::tuple tensors, std::vector<Layer<T>>& layers) const;
    template <class T>
    void forward_of(nb::tuple tensors, nb::handle outputs, nb::tuple final_states, bool keep, int n_threads);
    template <class T>
    void backward_of(nb::tuple tensors, nb::handle output_gradient, nb::tuple final_gradients, nb::tuple gradients,
                     int n_threads);
    template <class T>
    void choose_of(nb::tuple tensors, nb::handle embedding, nb::handle chosen, int n_threads) const;
    void check_rows(std::int64_t n_rows) const;

    const Kernel& kernel_;
    const CellKind cell_;
    const Activation activation_;
    const Source source_;
    const bool reverse_;
    std::vector<std::int64_t> starts_, lengths_;
    std::int64_t n_steps_ = 0;
    Tape tape_;
    bool is_kept_ = false;
};

}  // namespace seqae
