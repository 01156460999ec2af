// Plain descriptions of the kernel's tasks, filled by bindings.cpp and read by each instruction set's code.
#pragma once
#include <cstdint>

namespace seqae {

enum class CellKind { lstm, gru };
enum class Activation { tanh, relu };
enum class Source {
    steps,     // one input row per step
    constant,  // one input row per sequence
    feedback,  // the first row per sequence, then the readout of the step before
    first,     // one input row per sequence at its first step, nothing afterwards
};

template <class T>
struct Layer {
    const T *input = nullptr, *hidden = nullptr;            // (n_gates * hidden_size, input_size or hidden_size)
    const T *input_bias = nullptr, *hidden_bias = nullptr;  // (n_gates * hidden_size)
    int input_size = 0, hidden_size = 0;
    const T* state[2] = {};  // (n_sequences, hidden_size): h, c before the first step; zeros where null
    T* final_state[2] = {};  // the same after each sequence's last step
};

template <class T>
struct Problem {
    CellKind cell;
    Activation activation;
    Source source;
    bool reverse = false;
    std::int64_t n_sequences = 0, n_rows = 0;
    const std::int64_t *starts = nullptr, *lengths = nullptr;  // (n_sequences); starts only for Source::steps
    const T* values = nullptr;                                 // (n_rows, input_size of the first layer)
    int n_layers = 1;
    Layer<T>* layers = nullptr;
    const T *readout_weight = nullptr, *readout_bias = nullptr;  // (n_channels, hidden_size), (n_channels); or null
    int n_channels = 0;                                          // of the outputs: readout rows, or hidden_size
    T* outputs = nullptr;                                        // (n_steps, n_channels); null: not wanted

    bool reads_steps() const { return source == Source::steps || source == Source::feedback; }
};

// A stack whose outputs are symbols: p.values are the first inputs, one row per sequence, p.outputs is not used.
template <class T>
struct SymbolProblem {
    Problem<T> stack;
    const T* embedding = nullptr;    // (at least n_channels, input_size of the first layer): the inputs that follow
    std::int32_t* chosen = nullptr;  // (n_steps): of each step, the first channel of the readout that is largest
};

template <class T>
struct LayerGradients {
    T *input = nullptr, *hidden = nullptr, *input_bias = nullptr, *hidden_bias = nullptr;  // as in Layer; null: not wanted
    const T* final_state[2] = {};  // with respect to Layer::final_state; zeros where null
    T* state[2] = {};              // with respect to Layer::state; null: not wanted
};

template <class T>
struct Gradients {
    const T* outputs = nullptr;  // with respect to Problem::outputs; zeros where null
    LayerGradients<T>* layers = nullptr;
    T *readout_weight = nullptr, *readout_bias = nullptr;
    T* values = nullptr;  // with respect to Problem::values, rows of zeros to begin with; null: not wanted
};

template <class T>
struct GatherProblem {
    std::int64_t n_sequences = 0;
    const std::int64_t *starts = nullptr, *lengths = nullptr;  // (n_sequences)
    const T* values = nullptr;                                 // (n_rows, n_channels)
    const bool* observed = nullptr;                            // the same; null: all
    const T *centre = nullptr, *scale = nullptr;               // (n_channels)
    int n_channels = 0;
    T* out = nullptr;              // (n_steps, n_channels)
    bool* observed_out = nullptr;  // the same
};

template <class T>
struct LinearProblem {
    std::int64_t n = 0;
    int n_inputs = 0, n_outputs = 0;
    bool is_transposed = false;                                // weight is (n_inputs, n_outputs)
    const T *x = nullptr, *weight = nullptr, *bias = nullptr;  // (n, n_inputs), (n_outputs, n_inputs), (n_outputs)
    const T *amounts = nullptr, *direction = nullptr;          // (n), (n_outputs); both or none
    T* out = nullptr;                                          // (n, n_outputs)
};

template <class T>
struct AttentionProblem {
    std::int64_t n_sequences = 0;
    const std::int64_t *n_queries = nullptr, *n_memories = nullptr;  // (n_sequences)
    int size = 0;
    T scale = 1;
    const T *queries = nullptr, *memory = nullptr;  // (sum of n_queries, size), (sum of n_memories, size)
    T* contexts = nullptr;                          // as queries
    const T* of_contexts = nullptr;                 // their gradient; null: forward
    T *of_queries = nullptr, *of_memory = nullptr;  // backward: the gradients of these
};

enum class LossKind { mse, mae, huber, bce };

template <class T>
struct LossProblem {
    LossKind kind;
    bool per_sequence = false;
    std::int64_t n_sequences = 0;
    const std::int64_t* lengths = nullptr;  // (n_sequences)
    int n_channels = 0;
    const T *prediction = nullptr, *target = nullptr;  // (n_steps, n_channels)
    const bool* observed = nullptr;                    // the same; null: all
    T* gradient = nullptr;                             // of the mean loss with respect to the prediction
};

template <class T>
struct AdamProblem {
    std::int64_t n = 0;
    const T* gradient = nullptr;                                   // (n)
    T *parameters = nullptr, *first = nullptr, *second = nullptr;  // (n)
    double learning_rate, max_norm;            // max_norm: 0 for none
    double betas[2], epsilon, corrections[2];  // corrections: 1 - beta^n_updates
};

}  // namespace seqae
