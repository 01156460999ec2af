// Adds the gradients of tiles to those of the call, in an order that does not depend on threads.

constexpr int most_partials = 16;  // tiles share as many sums; a function of the tiles alone, not of the threads

// to[row][column] += sum over partials of from[partial][row * stride + column], in order
template <class T>
void add_rows(const T* from, std::int64_t partial_size, int n_partials, T* to, std::int64_t n_rows,
              std::int64_t n_columns, std::int64_t stride) {
    if (!to) return;
    for (std::int64_t row = 0; row < n_rows; ++row) {
        T* const out = to + row * n_columns;
        for (int i = 0; i < n_partials; ++i) {
            const T* const other = from + i * partial_size + row * stride;
            for (std::int64_t c = 0; c < n_columns; ++c) out[c] += other[c];
        }
    }
}

template <class Cell, class T>
void add_partials(const Problem<T>& p, const Gradients<T>& g, T* partials, int n_partials, std::int64_t size) {
    Arena<T> arena{partials};
    const Partial<T> first = lay_out_partial<Cell>(arena, p);
    for (int k = 0; k < p.n_layers; ++k) {
        const auto& from = first.layers[k];
        const LayerGradients<T>& to = g.layers[k];
        const int rows = Cell::n_gates * p.layers[k].hidden_size;
        add_rows(from.input, size, n_partials, to.input, rows, p.layers[k].input_size, from.input_stride);
        add_rows(from.hidden, size, n_partials, to.hidden, rows, p.layers[k].hidden_size, from.hidden_stride);
        add_rows(from.input_bias, size, n_partials, to.input_bias, 1, rows, rows);
        add_rows(from.hidden_bias, size, n_partials, to.hidden_bias, 1, rows, rows);
    }
    if (!p.readout_weight) return;
    const int n_units = p.layers[p.n_layers - 1].hidden_size;
    add_rows(first.readout, size, n_partials, g.readout_weight, p.n_channels, n_units, first.readout_stride);
    add_rows(first.readout_bias, size, n_partials, g.readout_bias, 1, p.n_channels, p.n_channels);
}

// Gradients of inputs per step. Where sequences share rows they are written apart and added up in order.
template <class T>
struct ValueGradients {
    Gradients<T> g;
    const std::int64_t* rows = nullptr;
    Block memory;

    ValueGradients(const Problem<T>& p, const Gradients<T>& asked, const Plan& plan)
        : g(asked), rows(plan.offsets.data()) {
        if (!g.values || p.source != Source::steps) return;
        bool is_compact = true;
        for (std::int64_t i = 0; i < p.n_sequences; ++i) is_compact &= p.starts[i] == plan.offsets[i];
        if (is_compact) return;
        memory = Block(plan.n_steps * p.layers[0].input_size * sizeof(T));
        g.values = memory.as<T>();
    }

    void add(const Problem<T>& p, const Gradients<T>& asked) const {
        if (g.values == asked.values) return;
        const T* from = g.values;
        for (std::int64_t i = 0; i < p.n_sequences; ++i) {
            T* const to = asked.values + p.starts[i] * p.layers[0].input_size;
            const std::int64_t n = p.lengths[i] * p.layers[0].input_size;
            for (std::int64_t j = 0; j < n; ++j) to[j] += from[j];
            from += n;
        }
    }
};
