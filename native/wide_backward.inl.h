// The wide layout, backward: from the gradients of the outputs to those of gates, states, inputs and weights.

// What reaches h of one step from elsewhere than the step after it.
template <class T>
struct FromAbove {
    const T* direct = nullptr;   // gradient of h itself, rows
    const T* weights = nullptr;  // packed transpose: of the readout, or of the input weights of the layer above
    const T* rows = nullptr;     // what it multiplies: gradients of the readout, or of the gates of the layer above
    int n_groups = 0;            // channels, or units
    bool is_gates = false;
};

// Steps whose weight gradients are summed together, first to last.
struct Steps {
    int n = 0;
    const int* n_running = nullptr;  // lanes of each
};

// A matrix of rows per step.
template <class T>
struct StepRows {
    const T* rows = nullptr;
    std::int64_t stride = 0;  // from one step to the next
};

// Weight gradients: sums over steps and lanes. They do not depend on the cell.
template <class T>
struct WideSums {
    using V = Vec<T>;
    static constexpr int width = V::width;

    // into[gate * gate_stride + unit * unit_stride + column] += sum over steps and lanes of
    //     gradients[step][unit][slot][lane] * columns[step][column][lane]
    template <class Slots>
    static void add_weight_gradient(const Steps& steps, StepRows<T> gradients, int n_units, StepRows<T> columns,
                                    int n_columns, int n_lanes, T* into, std::int64_t gate_stride,
                                    std::int64_t unit_stride, T* bias = nullptr) {
        for (int unit = 0; unit < n_units; ++unit) {
            const StepRows<T> rows{gradients.rows + std::int64_t(4) * unit * n_lanes, gradients.stride};
            T* const row = into + unit * unit_stride;
            if (bias) add_block_bias<Slots>(steps, rows, n_lanes, bias + unit, n_units);
            int column = 0;
            for (; n_columns - column >= 4; column += 4)
                add_block<Slots, 4>(steps, rows, at(columns, column, n_lanes), n_lanes, row + column, gate_stride);
            const StepRows<T> rest = at(columns, column, n_lanes);
            if (n_columns - column == 3) add_block<Slots, 3>(steps, rows, rest, n_lanes, row + column, gate_stride);
            if (n_columns - column == 2) add_block<Slots, 2>(steps, rows, rest, n_lanes, row + column, gate_stride);
            if (n_columns - column == 1) add_block<Slots, 1>(steps, rows, rest, n_lanes, row + column, gate_stride);
        }
    }

    template <class Slots>
    static void add_block_bias(const Steps& steps, StepRows<T> gradients, int n_lanes, T* into, std::int64_t stride) {
        V acc[Slots::n][1];
#pragma GCC unroll 4
        for (int g = 0; g < Slots::n; ++g) acc[g][0] = V::broadcast(0);
        for (int t = 0; t < steps.n; ++t, gradients.rows += gradients.stride)
            for (int lane = 0; lane < steps.n_running[t]; lane += width)
#pragma GCC unroll 4
                for (int g = 0; g < Slots::n; ++g)
                    acc[g][0] = acc[g][0] + V::load(gradients.rows + Slots::at[g] * n_lanes + lane);
        add_sums(acc, into, stride);
    }

    static StepRows<T> at(StepRows<T> matrix, int row, int n_lanes) {
        return {matrix.rows + std::int64_t(row) * n_lanes, matrix.stride};
    }

    template <class Slots, int C>
    static void add_block(const Steps& steps, StepRows<T> gradients, StepRows<T> columns, int n_lanes, T* into,
                          std::int64_t gate_stride) {
        constexpr int G = Slots::n;
        V acc[G][C];
#pragma GCC unroll 4
        for (int g = 0; g < G; ++g)
#pragma GCC unroll 4
            for (int c = 0; c < C; ++c) acc[g][c] = V::broadcast(0);
        for (int t = 0; t < steps.n; ++t, gradients.rows += gradients.stride, columns.rows += columns.stride)
            for (int lane = 0; lane < steps.n_running[t]; lane += width) {
                V column[C];
#pragma GCC unroll 4
                for (int c = 0; c < C; ++c) column[c] = V::load(columns.rows + c * n_lanes + lane);
#pragma GCC unroll 4
                for (int g = 0; g < G; ++g) {
                    const V gradient = V::load(gradients.rows + Slots::at[g] * n_lanes + lane);
#pragma GCC unroll 4
                    for (int c = 0; c < C; ++c) acc[g][c] = fma(gradient, column[c], acc[g][c]);
                }
            }
        add_sums(acc, into, gate_stride);
    }

    // into[channel * stride + column] += sum over steps and lanes of gradients[step][channel] * columns[step][column]
    static void add_readout_gradient(const Steps& steps, StepRows<T> gradients, int n_channels, StepRows<T> columns,
                                     int n_columns, int n_lanes, T* into, std::int64_t stride) {
        add_weight_gradient<Slots4>(steps, gradients, (n_channels + 3) / 4, columns, n_columns, n_lanes, into, stride,
                                    4 * stride);
    }

    // into[gate][unit] += sums[unit][slot] over lanes
    template <class Slots>
    static void add_bias_gradient(const T* sums, int n_units, int, int n_lanes, T* into, std::int64_t gate_stride) {
        for (int unit = 0; unit < n_units; ++unit)
            for (int g = 0; g < Slots::n; ++g)
                for (int lane = 0; lane < n_lanes; lane += width)
                    into[g * gate_stride + unit] +=
                        sum(V::load(sums + std::int64_t(4 * unit + Slots::at[g]) * n_lanes + lane));
    }
};

template <class T, class Cell>
struct WideBackward : WideSums<T> {
    using V = Vec<T>;
    using Layout = Wide<T, Cell>;
    static constexpr int width = V::width;

    static void pack(Arena<T>& arena, const Layer<T>& layer, PackedLayer<T>& packed) {
        const int H = layer.hidden_size;
        packed.to_hidden = Layout::template pack_transpose<typename Cell::H>(arena, layer.hidden, H, H);
        packed.to_input = Layout::template pack_transpose<typename Cell::X>(arena, layer.input, H, layer.input_size);
    }

    // One step back: gates of the step (in place) become their gradients.
    // next_gates: the gradients of the step after it, of which n_next lanes run; null where there is none.
    static void step(const PackedLayer<T>& w, const FromAbove<T>& above, const T* before, T* after, const T* next_gates,
                     int n_next, const Carry<T>& carry, int n_lanes, int n_running) {
        Layout::each_block(w.n_units, [&](auto count, int first) {
            constexpr int R = decltype(count)::value;
            if (n_running > width)
                step_block<R, 2>(w, above, before, after, next_gates, n_next, carry, n_lanes, n_running, first);
            else
                step_block<R, 1>(w, above, before, after, next_gates, n_next, carry, n_lanes, n_running, first);
        });
    }

    template <int R, int NV>
    static void step_block(const PackedLayer<T>& w, const FromAbove<T>& above, const T* before, T* after,
                           const T* next_gates, int n_next, const Carry<T>& carry, int n_lanes, int n_running,
                           int first) {
        fetch_step_before<R>(before, after, std::int64_t(w.n_unit_rows) * n_lanes, n_lanes, first);
        V dh[R][NV];
        start_step(dh, w, above, carry, n_lanes, n_next < n_running, n_next, first);
        if (next_gates)
            Layout::template add_rows<typename Cell::H>(
                dh, w.to_hidden + std::int64_t(first) * w.n_units * Cell::H::n, next_gates, w.n_units, n_lanes);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
            if (first + r >= w.n_units) break;
            using B = Bundle<T, 1, NV>;
            B of_unit;
#pragma GCC unroll 2
            for (int v = 0; v < NV; ++v) of_unit.v[0][v] = dh[r][v];
            const auto spot = Layout::template spot_at<B>(w, before, after, first + r, n_lanes, n_running);
            const std::int64_t at = std::int64_t(first + r) * n_lanes;
            Cell::backward(of_unit, spot, Carry<T>{carry.state + at, carry.sums ? carry.sums + 4 * at : nullptr});
        }
    }

    // Records lie far apart, beyond what the CPU foresees: ask for what the next call, one step earlier, reads of R units.
    template <int R>
    static SEQAE_INLINE void fetch_step_before(const T* before, const T* after, std::int64_t part, int n_lanes, int first) {
        constexpr int line = 64 / sizeof(T);
        const std::int64_t unit = std::int64_t(first) * n_lanes;
        for (std::int64_t i = 0; i < R * n_lanes; i += line)
            for (int k = 0; k < Cell::n_parts; ++k)
                __builtin_prefetch(before - (after - before) * (k == 1) + k * part + unit + i, 0, 2);
        for (std::int64_t i = 0; i < 4 * R * n_lanes; i += line)
            __builtin_prefetch(before + Cell::n_parts * part + 4 * unit + i, 1, 2);
    }

    template <int R, int NV>
    static SEQAE_INLINE void start_step(V (&dh)[R][NV], const PackedLayer<T>& w, const FromAbove<T>& above,
                                        const Carry<T>& carry, int n_lanes, bool some_begin, int n_next, int first) {
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
            for (int v = 0; v < NV; ++v) {
                const std::int64_t at = std::int64_t(first + r) * n_lanes + v * width;
                const bool is_unit = first + r < w.n_units;
                dh[r][v] = above.direct && is_unit ? V::load(above.direct + at) : V::broadcast(0);
                if (!is_unit) continue;
                if (Cell::carries_h)
                    dh[r][v] = dh[r][v] + V::load(carry.state + at);
                else if (some_begin)  // lanes whose last step this is start from the gradient of their final state
                    dh[r][v] = dh[r][v] + select(V::first(n_next - v * width), V::broadcast(0), V::load(carry.state + at));
            }
        if (above.weights && above.is_gates)
            Layout::template add_rows<typename Cell::X>(
                dh, above.weights + std::int64_t(first) * above.n_groups * Cell::X::n, above.rows, above.n_groups, n_lanes);
        else if (above.weights)
            Layout::template add_rows<SingleRows>(dh, above.weights + std::int64_t(first) * above.n_groups, above.rows,
                                                  above.n_groups, n_lanes);
    }

    // out (units or inputs, rows) = (out +) packed transpose * gates' gradients
    template <class Slots>
    static void from_gates(const T* weights, const T* gates, int n_units, bool is_added, T* out, int n_rows,
                           int, int n_lanes, int n_running) {
        Layout::template product<Slots>(weights, nullptr, is_added, gates, n_units, out, n_rows, n_lanes, n_running);
    }
};
