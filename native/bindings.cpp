// The module seqae._native; seqae.recurrence calls it, and nothing else does.
#include <nanobind/nanobind.h>

#include <cmath>
#include <utility>

#include "recurrence_call.h"
#include "sequencewise_call.h"

namespace seqae {
namespace {

nb::tuple kernels() {
    nb::list names;
    for (const Kernel* kernel : runnable_kernels()) names.append(kernel->name);
    return nb::tuple(names);
}

template <class T>
void gather_of(nb::handle values, nb::handle observed, nb::handle starts, nb::handle lengths, nb::handle centre,
               nb::handle scale, nb::handle out, nb::handle observed_out, int n_threads) {
    const View rows = view_of(values, "values"), steps = view_of(out, "out");
    if (rows.n_dims != 2) throw nb::value_error("values must be a matrix");
    const std::vector<std::int64_t> first = counts_of(starts, "starts"), counts = counts_of(lengths, "lengths");
    if (first.size() != counts.size()) throw nb::value_error("starts and lengths must have one size");
    GatherProblem<T> p;
    p.n_sequences = std::int64_t(counts.size()), p.n_channels = int(rows.shape[1]);
    p.starts = first.data(), p.lengths = counts.data();
    p.values = checked<const T>(rows, "values");
    p.observed = read<const bool>(observed, "observed", rows.shape[0], p.n_channels);
    p.centre = read<const T>(centre, "centre", p.n_channels);
    p.scale = read<const T>(scale, "scale", p.n_channels);
    p.out = read<T>(out, "out", any, p.n_channels);
    p.observed_out = read<bool>(observed_out, "observed", steps.shape[0], p.n_channels);
    std::int64_t n_steps = 0;
    for (std::int64_t i = 0; i < p.n_sequences; ++i) {
        if (p.starts[i] < 0 || p.lengths[i] < 0 || p.starts[i] > rows.shape[0] - p.lengths[i])
            throw nb::value_error("starts and lengths must lie within values");
        n_steps += p.lengths[i];
    }
    if (n_steps != steps.shape[0]) throw nb::value_error("out must have one row per step");
    const Operations<T>& operations = active_kernel().of<T>();
    const nb::gil_scoped_release release;
    operations.gather(p, n_threads);
}

void gather(nb::handle values, nb::handle observed, nb::handle starts, nb::handle lengths,
            nb::handle centre, nb::handle scale, nb::handle out, nb::handle observed_out, int n_threads) {
    const bool is_double = view_of(values, "values").dtype == nb::dtype<double>();
    (is_double ? gather_of<double> : gather_of<float>)(values, observed, starts, lengths, centre,
                                                       scale, out, observed_out, n_threads);
}

template <class T>
void linear_of(nb::handle x, nb::handle weight, bool is_transposed, nb::handle bias, nb::handle amounts,
               nb::handle direction, nb::handle out) {
    const View rows = view_of(x, "x"), outputs = view_of(out, "out");
    LinearProblem<T> p{rows.shape[0], int(rows.shape[1]), int(outputs.shape[1]), is_transposed};
    p.x = checked<const T>(rows, "x");
    p.weight = is_transposed ? read<const T>(weight, "weight", p.n_inputs, p.n_outputs)
                             : read<const T>(weight, "weight", p.n_outputs, p.n_inputs);
    p.bias = read<const T>(bias, "bias", p.n_outputs);
    p.amounts = read<const T>(amounts, "amounts", p.n, 1);
    p.direction = read<const T>(direction, "direction", p.n_outputs);
    if (!p.amounts != !p.direction) throw nb::value_error("amounts need a direction");
    p.out = read<T>(out, "out", p.n, p.n_outputs);
    const Operations<T>& operations = active_kernel().of<T>();
    const nb::gil_scoped_release release;
    operations.linear(p);
}

void linear(nb::handle x, nb::handle weight, bool is_transposed, nb::handle bias, nb::handle amounts,
            nb::handle direction, nb::handle out) {
    const bool is_double = view_of(x, "x").dtype == nb::dtype<double>();
    (is_double ? linear_of<double> : linear_of<float>)(x, weight, is_transposed, bias, amounts, direction, out);
}

template <class T>
void attend_of(nb::handle queries, nb::handle n_queries, nb::handle memory,
               nb::handle n_memories, nb::handle contexts, nb::tuple gradients, int n_threads) {
    const View rows = view_of(queries, "queries");
    AttentionProblem<T> p;
    const std::vector<std::int64_t> asking = counts_of(n_queries, "lengths"), kept = counts_of(n_memories, "lengths");
    if (asking.size() != kept.size()) throw nb::value_error("queries and memory must have as many sequences");
    p.n_sequences = std::int64_t(asking.size()), p.size = int(rows.shape[1]);
    p.scale = T(1 / std::sqrt(double(p.size)));
    p.n_queries = asking.data(), p.n_memories = kept.data();
    std::int64_t n_rows = 0, n_kept = 0;
    for (std::int64_t i = 0; i < p.n_sequences; ++i) {
        if (asking[i] < 0 || kept[i] < 1)
            throw nb::value_error("each sequence needs steps to attend over");
        n_rows += p.n_queries[i], n_kept += p.n_memories[i];
    }
    p.queries = read<const T>(queries, "queries", n_rows, p.size);
    p.memory = read<const T>(memory, "memory", n_kept, p.size);
    if (nb::len(gradients)) {
        p.of_contexts = read<const T>(contexts, "gradient", n_rows, p.size);
        p.of_queries = read<T>(gradients[0], "gradient", n_rows, p.size);
        p.of_memory = read<T>(gradients[1], "gradient", n_kept, p.size);
    } else {
        p.contexts = read<T>(contexts, "contexts", n_rows, p.size);
    }
    const Operations<T>& operations = active_kernel().of<T>();
    const nb::gil_scoped_release release;
    operations.attend(p, n_threads);
}

// gradients: none, and contexts are written; or of queries and memory, and contexts holds their own gradient
void attend(nb::handle queries, nb::handle n_queries, nb::handle memory, nb::handle n_memories,
            nb::handle contexts, nb::tuple gradients, int n_threads) {
    const bool is_double = view_of(queries, "queries").dtype == nb::dtype<double>();
    (is_double ? attend_of<double> : attend_of<float>)(queries, n_queries, memory, n_memories,
                                                       contexts, gradients, n_threads);
}

template <class T>
void mean_loss_of(LossKind kind, bool per_sequence, nb::handle prediction, nb::handle target, nb::handle observed,
                  nb::handle lengths, nb::handle mean, nb::handle gradient, int n_threads) {
    const View rows = view_of(prediction, "prediction");
    std::vector<std::int64_t> counts = counts_of(lengths, "lengths");
    if (lengths.is_none()) counts = {rows.shape[0]};  // one sequence of all rows
    LossProblem<T> p{kind, per_sequence, std::int64_t(counts.size())};
    p.lengths = counts.data();
    p.n_channels = int(rows.shape[1]);
    p.prediction = checked<const T>(rows, "prediction");
    p.target = read<const T>(target, "target", rows.shape[0], p.n_channels);
    p.observed = read<const bool>(observed, "observed", rows.shape[0], p.n_channels);
    p.gradient = read<T>(gradient, "gradient", rows.shape[0], p.n_channels);
    std::int64_t n_steps = 0;
    for (std::int64_t i = 0; i < p.n_sequences; ++i) n_steps += p.lengths[i];
    if (n_steps != rows.shape[0]) throw nb::value_error("prediction must have one row per step");
    const View scalar = view_of(mean, "mean");
    if (scalar.n_dims != 0) throw nb::value_error("mean must be a scalar");
    T* const out = checked<T>(scalar, "mean");
    const Operations<T>& operations = active_kernel().of<T>();
    const nb::gil_scoped_release release;
    *out = T(operations.mean_loss(p, n_threads));
}

void mean_loss(LossKind kind, bool per_sequence, nb::handle prediction, nb::handle target, nb::handle observed,
               nb::handle lengths, nb::handle mean, nb::handle gradient, int n_threads) {
    const bool is_double = view_of(prediction, "prediction").dtype == nb::dtype<double>();
    (is_double ? mean_loss_of<double> : mean_loss_of<float>)(kind, per_sequence, prediction, target, observed, lengths,
                                                             mean, gradient, n_threads);
}

template <class T>
double adam_step_of(nb::handle parameters, nb::handle gradient, nb::handle first, nb::handle second, AdamProblem<T> p,
                    int n_threads) {
    const View flat = view_of(parameters, "parameters");
    if (flat.n_dims != 1) throw nb::value_error("parameters must be a vector");
    p.n = flat.shape[0];
    p.parameters = checked<T>(flat, "parameters");
    p.gradient = read<const T>(gradient, "gradient", p.n);
    p.first = read<T>(first, "first moment", p.n);
    p.second = read<T>(second, "second moment", p.n);
    const Operations<T>& operations = active_kernel().of<T>();
    const nb::gil_scoped_release release;
    return operations.adam_step(p, n_threads);
}

double adam_step(nb::handle parameters, nb::handle gradient, nb::handle first, nb::handle second, double learning_rate,
                 double max_norm, double beta1, double beta2, double epsilon, double correction1, double correction2,
                 int n_threads) {
    const auto with = [&]<class T>(AdamProblem<T> p) {
        p.learning_rate = learning_rate, p.max_norm = max_norm, p.epsilon = epsilon;
        p.betas[0] = beta1, p.betas[1] = beta2, p.corrections[0] = correction1, p.corrections[1] = correction2;
        return adam_step_of<T>(parameters, gradient, first, second, p, n_threads);
    };
    const bool is_double = view_of(parameters, "parameters").dtype == nb::dtype<double>();
    return is_double ? with(AdamProblem<double>()) : with(AdamProblem<float>());
}

}  // namespace
}  // namespace seqae

NB_MODULE(_native, m) {
    using namespace seqae;
    nb::set_leak_warnings(false);  // autograd graphs may be alive when the interpreter ends
    m.doc() = "The compiled kernel; call it through seqae.recurrence.";
    m.def("kernels", &kernels, "Instruction sets that are built in and run on this machine, best first.");
    nb::enum_<CellKind>(m, "CellKind").value("lstm", CellKind::lstm).value("gru", CellKind::gru);
    nb::enum_<Activation>(m, "Activation").value("tanh", Activation::tanh).value("relu", Activation::relu);
    nb::enum_<Source>(m, "Source", "Where a recurrence's inputs come from.")
        .value("steps", Source::steps, "One row per step.")
        .value("constant", Source::constant, "One row per sequence, read at every step.")
        .value("feedback", Source::feedback, "The first row per sequence, then the readout of the step before.")
        .value("first", Source::first, "One row per sequence, read at its first step.");
    nb::enum_<LossKind>(m, "LossKind", "Loss of each value; huber has delta 1, bce takes logits.")
        .value("mse", LossKind::mse)
        .value("mae", LossKind::mae)
        .value("huber", LossKind::huber)
        .value("bce", LossKind::bce);
    nb::class_<Recurrence>(m, "Recurrence", "One pass over a ragged batch, and what its gradient needs.")
        .def(nb::init<CellKind, Activation, Source, bool, nb::handle, nb::handle>(), nb::arg("cell"),
             nb::arg("activation"), nb::arg("source"), nb::arg("reverse"),
             nb::arg("starts").none(), nb::arg("lengths"))
        .def("forward", &Recurrence::forward, nb::arg("tensors"), nb::arg("outputs").none(), nb::arg("final_states"),
             nb::arg("keep"), nb::arg("n_threads"))
        .def("backward", &Recurrence::backward, nb::arg("tensors"), nb::arg("output_gradient").none(),
             nb::arg("final_gradients"), nb::arg("gradients"), nb::arg("n_threads"))
        .def("choose", &Recurrence::choose, nb::arg("tensors"), nb::arg("embedding"), nb::arg("symbols"),
             nb::arg("n_threads"))
        .def_prop_ro("kernel", &Recurrence::kernel, "The instruction set that ran.")
        .def_prop_ro("n_states", &Recurrence::n_states, "Tensors in a layer's state.")
        .def_prop_ro("n_sequences", &Recurrence::n_sequences)
        .def_prop_ro("n_steps", &Recurrence::n_steps);
    m.def("forced_kernel", &forced_kernel, "The value of SEQAE_KERNEL; empty if it is not set.");
    m.def("gather", &gather, nb::arg("values"), nb::arg("observed").none(), nb::arg("starts"),
          nb::arg("lengths"), nb::arg("centre"), nb::arg("scale"), nb::arg("out"), nb::arg("observed_out").none(),
          nb::arg("n_threads"));
    m.def("linear", &linear, nb::arg("x"), nb::arg("weight"), nb::arg("is_transposed"), nb::arg("bias"),
          nb::arg("amounts").none(), nb::arg("direction").none(), nb::arg("out"));
    m.def("attend", &attend);
    m.def("mean_loss", &mean_loss, nb::arg("kind"), nb::arg("per_sequence"), nb::arg("prediction"),
          nb::arg("target"), nb::arg("observed").none(), nb::arg("lengths").none(), nb::arg("mean"),
          nb::arg("gradient"), nb::arg("n_threads"));
    m.def("adam_step", &adam_step);
    add_sequencewise(m);
}
