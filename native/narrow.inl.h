// The narrow layout: one sequence, a lane is a unit. States are vectors of units, gates [slot][unit], padded with zeros
// to whole vectors. Sums add in the order of the wide layout and go through the same cell: their bits are the same.

template <class T, class Cell>
struct Narrow {
    using V = Vec<T>;
    using B = Bundle<T, 1, 1>;
    static constexpr int width = V::width;

    static int unit_rows(int n_units) { return int(round_up(n_units, width)); }
    static int channel_rows(int n_channels) { return int(round_up(n_channels, width)); }

    static PackedLayer<T> pack(Arena<T>& arena, const Layer<T>& layer) {
        PackedLayer<T> packed{layer.hidden_size, layer.input_size, unit_rows(layer.hidden_size)};
        packed.input = pack_gates<typename Cell::X>(arena, layer.input, layer.hidden_size, layer.input_size);
        packed.hidden = pack_gates<typename Cell::H>(arena, layer.hidden, layer.hidden_size, layer.hidden_size);
        T* const bias = arena.take(4 * packed.n_unit_rows);  // [slot][unit]
        packed.bias = bias;
        for (int s = 0; bias && s < 4; ++s)
            for (int j = 0; j < packed.n_unit_rows; ++j)
                bias[s * packed.n_unit_rows + j] = j < layer.hidden_size ? slot_bias<Cell>(layer, j, s) : T(0);
        return packed;
    }

    // [block of units][k][gate][unit]
    template <class Slots>
    static const T* pack_gates(Arena<T>& arena, const T* weights, int n_units, int n_k) {
        T* const packed = arena.take(round_up(n_units, width) * Slots::n * n_k);
        if (!packed) return nullptr;
        T* out = packed;
        for (int first = 0; first < n_units; first += width)
            for (int k = 0; k < n_k; ++k)
                for (int g = 0; g < Slots::n; ++g)
                    for (int u = first; u < first + width; ++u)
                        *out++ = u < n_units ? weights[(std::int64_t(g) * n_units + u) * n_k + k] : T(0);
        return packed;
    }

    static const T* pack_rows(Arena<T>& arena, const T* weights, int n_rows, int n_k) {
        return pack_vectors(arena, n_rows, n_k, rows_of(weights, n_k));
    }

    static const T* pack_columns(Arena<T>& arena, const T* weights, int n_rows, int n_k) {
        return pack_vectors(arena, n_k, n_rows, columns_of(weights, n_k));
    }

    template <class Slots>
    static SEQAE_INLINE void add_gates(B (&acc)[4], const T* w, const T* x, int n_k) {
        for (int k = 0; k < n_k; ++k, w += Slots::n * width) {
            const V xk = V::broadcast(x[k]);
#pragma GCC unroll 4
            for (int g = 0; g < Slots::n; ++g) {
                V& sum = acc[Slots::at[g]].v[0][0];
                sum = fma(V::load(w + g * width), xk, sum);
            }
        }
    }

    static SEQAE_INLINE void start_gates(B (&acc)[4], const T* from, int n_unit_rows, int unit) {
#pragma GCC unroll 4
        for (int s = 0; s < 4; ++s) acc[s] = B::load(from + s * n_unit_rows + unit, 0);
    }

    static void project(const PackedLayer<T>& w, const T* x, T* projected, int) {
        for (int unit = 0; unit < w.n_units; unit += width) {
            B acc[4];
            start_gates(acc, w.bias, w.n_unit_rows, unit);
            add_gates<typename Cell::X>(acc, w.input + std::int64_t(unit) * Cell::X::n * w.n_inputs, x, w.n_inputs);
            for (int s = 0; s < 4; ++s) acc[s].store(projected + s * w.n_unit_rows + unit, 0);
        }
    }

    template <bool keep>
    static void forward(const PackedLayer<T>& w, const T* projected, const T* x, const T* before, T* after, int, int) {
        for (int unit = 0; unit < w.n_units; unit += width) {
            B acc[4];
            start_gates(acc, projected ? projected : w.bias, w.n_unit_rows, unit);
            if (x)
                add_gates<typename Cell::X>(acc, w.input + std::int64_t(unit) * Cell::X::n * w.n_inputs, x, w.n_inputs);
            add_gates<typename Cell::H>(acc, w.hidden + std::int64_t(unit) * Cell::H::n * w.n_units, before, w.n_units);
            Cell::template forward<keep>(acc, spot_at(w, before, after, unit));
        }
    }

    static SEQAE_INLINE Spot<B> spot_at(const PackedLayer<T>& w, const T* before, T* after, int unit) {
        T* const gates = after + Cell::n_parts * w.n_unit_rows + unit;
        return {before + unit, after + unit, gates, w.n_unit_rows, w.n_unit_rows, 0, 0, B::first(width), true};
    }

    // out[row] = (bias[row] | out[row] | 0) + sum over k of w[row][k] * x[k]
    template <class Slots>
    static void product(const T* w, const T* bias, bool is_added, const T* x, int n_k, T* out, int n_rows, int, int) {
        for (int row = 0; row < n_rows; row += width) {
            T start[width] = {};
            for (int i = 0; i < width && row + i < n_rows; ++i)
                start[i] = bias ? bias[row + i] : is_added ? out[row + i] : T(0);
            V acc = V::load(start);
            for (int k = 0; k < n_k; ++k, w += width) acc = fma(V::load(w), V::broadcast(x[k]), acc);
            acc.store(out + row);
        }
    }
};

template <class T, class Cell>
struct NarrowBackward {
    using V = Vec<T>;
    using Layout = Narrow<T, Cell>;
    static constexpr int width = V::width;

    static void pack(Arena<T>& arena, const Layer<T>& layer, PackedLayer<T>& packed) {
        packed.to_hidden = pack_transpose<typename Cell::H>(arena, layer.hidden, layer.hidden_size, layer.hidden_size);
        packed.to_input = pack_transpose<typename Cell::X>(arena, layer.input, layer.hidden_size, layer.input_size);
    }

    // [block of columns][unit][gate][column]
    template <class Slots>
    static const T* pack_transpose(Arena<T>& arena, const T* weights, int n_units, int n_columns) {
        return pack_vectors(arena, n_columns, n_units * Slots::n, columns_of_gates<Slots>(weights, n_units, n_columns));
    }

    // sum over units and gates of w * gradients, in one chain per gate
    template <class Slots>
    static SEQAE_INLINE V gates_sum(const T* w, const T* gates, int n_units, int n_unit_rows) {
        V acc[4] = {V::broadcast(0), V::broadcast(0), V::broadcast(0), V::broadcast(0)};
        for (int unit = 0; unit < n_units; ++unit, w += Slots::n * width)
#pragma GCC unroll 4
            for (int g = 0; g < Slots::n; ++g)
                acc[g] = fma(V::load(w + g * width), V::broadcast(gates[Slots::at[g] * n_unit_rows + unit]), acc[g]);
        return (acc[0] + acc[1]) + (acc[2] + acc[3]);
    }

    static void step(const PackedLayer<T>& w, const FromAbove<T>& above, const T* before, T* after, const T* next_gates,
                     int, const Carry<T>& carry, int, int) {
        for (int unit = 0; unit < w.n_units; unit += width) {
            V dh = V::broadcast(0);
            if (Cell::carries_h || !next_gates) dh = V::load(carry.state + unit);
            if (above.direct) dh = dh + V::load(above.direct + unit);
            if (above.weights && above.is_gates)
                dh = dh + gates_sum<typename Cell::X>(above.weights + std::int64_t(unit) * above.n_groups * Cell::X::n,
                                                      above.rows, above.n_groups, int(round_up(above.n_groups, width)));
            else if (above.weights)
                dh = add_channels(dh, above.weights + std::int64_t(unit) * above.n_groups, above.rows, above.n_groups);
            if (next_gates)
                dh = dh + gates_sum<typename Cell::H>(w.to_hidden + std::int64_t(unit) * w.n_units * Cell::H::n,
                                                      next_gates, w.n_units, w.n_unit_rows);
            Cell::backward(typename Layout::B{{{dh}}}, Layout::spot_at(w, before, after, unit),
                           {carry.state + unit, carry.sums + unit});
        }
    }

    static SEQAE_INLINE V add_channels(V dh, const T* w, const T* rows, int n_channels) {
        for (int c = 0; c < n_channels; ++c, w += width) dh = fma(V::load(w), V::broadcast(rows[c]), dh);
        return dh;
    }

    template <class Slots>
    static void from_gates(const T* weights, const T* gates, int n_units, bool is_added, T* out, int n_rows,
                           int n_unit_rows, int, int) {
        for (int row = 0; row < n_rows; row += width) {
            const T* const w = weights + std::int64_t(row) * n_units * Slots::n;
            V result = gates_sum<Slots>(w, gates, n_units, n_unit_rows);
            if (is_added) result = result + V::load(out + row);
            result.store(out + row);
        }
    }

    static std::int64_t panels_size(int, int, int) { return 0; }

    static Columns<T> lay_panels(StepRows<T> rows, int n_columns, int, int, int, T*) { return {n_columns, rows}; }

    // as WideSums::add_weight_gradient, of gradients[step][slot][unit]; columns padded to whole vectors
    template <class Slots>
    static void add_weight_gradient(const Steps& steps, StepRows<T> gradients, int n_units, const Columns<T>& columns, int,
                                    T* into, std::int64_t gate_stride, std::int64_t unit_stride, T* = nullptr) {
        const int slot = Slots::group == 4 ? int(round_up(n_units, width)) : 0;
        for (int unit = 0; unit < n_units; ++unit)
            for (int column = 0; column < columns.n; column += width) {
                const StepRows<T> part{columns.rows.rows + column, columns.rows.stride};
                add_block<Slots>(steps, {gradients.rows + unit, gradients.stride}, slot, part,
                                 into + unit * unit_stride + column, gate_stride);
            }
    }

    template <class Slots>
    static SEQAE_INLINE void add_block(const Steps& steps, StepRows<T> gradients, int slot, StepRows<T> columns,
                                       T* into, std::int64_t gate_stride) {
        V acc[Slots::n];
#pragma GCC unroll 4
        for (int g = 0; g < Slots::n; ++g) acc[g] = V::load(into + g * gate_stride);
        for (int t = 0; t < steps.n; ++t, gradients.rows += gradients.stride, columns.rows += columns.stride) {
            const V column = V::load(columns.rows);
#pragma GCC unroll 4
            for (int g = 0; g < Slots::n; ++g)
                acc[g] = fma(V::broadcast(gradients.rows[Slots::at[g] * slot]), column, acc[g]);
        }
#pragma GCC unroll 4
        for (int g = 0; g < Slots::n; ++g) acc[g].store(into + g * gate_stride);
    }

    static void add_readout_gradient(const Steps& steps, StepRows<T> gradients, int n_channels, const Columns<T>& columns,
                                     int, T* into, std::int64_t stride) {
        add_weight_gradient<SingleRows>(steps, gradients, n_channels, columns, 1, into, 0, stride);
    }

    template <class Slots>
    static void add_bias_gradient(const T* sums, int n_units, int n_unit_rows, int, T* into,
                                  std::int64_t gate_stride) {
        for (int g = 0; g < Slots::n; ++g)
            for (int unit = 0; unit < n_units; ++unit)
                into[g * gate_stride + unit] += sums[Slots::at[g] * n_unit_rows + unit];
    }
};
