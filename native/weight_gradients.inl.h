// Gradients of weights: sums over steps and lanes of the gate's gradient times the weight's input.

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

// What the gradients of a layer's gates are multiplied with: n rows [column][lane] of each step, and those that fill
// panels once more, [panel][step][lane][column of panel]. Where columns are few, sums over lanes cost less than panels.
template <class T>
struct Columns {
    static constexpr int panel_size = 2 * Vec<T>::width;
    int n = 0;
    StepRows<T> rows;
    const T* panels = nullptr;
    std::int64_t panel = 0, step = 0;  // distances from one to the next

    // the same of the steps after it
    Columns later(int n_steps) const {
        Columns moved = *this;
        moved.rows.rows += n_steps * rows.stride;
        if (panels) moved.panels += n_steps * step;
        return moved;
    }
    int n_in_panels() const { return panels ? n / panel_size * panel_size : 0; }
};

// Of the wide layout. They do not depend on the cell.
template <class T>
struct WideSums {
    using V = Vec<T>;
    static constexpr int width = V::width, U = block_units;

    static std::int64_t panels_size(int n_columns, int n_steps, int n_lanes) {
        return std::int64_t(n_columns / Columns<T>::panel_size) * Columns<T>::panel_size * n_steps * n_lanes;
    }

    // rows, and their panels in room
    static Columns<T> lay_panels(StepRows<T> rows, int n_columns, int n_steps, int n_running, int n_lanes, T* room) {
        constexpr int panel_size = Columns<T>::panel_size;
        const std::int64_t step = std::int64_t(panel_size) * n_lanes;
        Columns<T> columns{n_columns, rows, room, n_steps * step, step};
        for (int c = 0; c < columns.n_in_panels(); c += width)
            for (int t = 0; t < n_steps; ++t) {
                const T* const from = rows.rows + t * rows.stride + std::int64_t(c) * n_lanes;
                T* const to = room + c / panel_size * columns.panel + t * step + c % panel_size;
                for (int lane = 0; lane < n_running; lane += width)
                    transpose(from + lane, n_lanes, to + std::int64_t(lane) * panel_size, panel_size);
            }
        return columns;
    }

    // into[gate * gate_stride + unit * unit_stride + column] += sum over steps and lanes of
    //     gradients[step][unit][slot][lane] * columns[step][column][lane]
    template <class Slots>
    static void add_weight_gradient(const Steps& steps, StepRows<T> gradients, int n_units, const Columns<T>& columns,
                                    int n_lanes, T* into, std::int64_t gate_stride, std::int64_t unit_stride,
                                    T* bias = nullptr) {
        const int n_in_panels = columns.n_in_panels();
        for (int column = 0; column < n_in_panels; column += Columns<T>::panel_size)
            add_panel<Slots>(steps, gradients, n_units, columns, column, n_lanes, into + column, gate_stride, unit_stride);
        for (int unit = 0; unit < n_units; ++unit) {
            const StepRows<T> rows{gradients.rows + std::int64_t(4) * unit * n_lanes, gradients.stride};
            T* const row = into + unit * unit_stride;
            if (bias) add_block_bias<Slots>(steps, rows, n_lanes, bias + unit, n_units);
            int column = n_in_panels;
            for (; columns.n - column >= 4; column += 4)
                add_block<Slots, 4>(steps, rows, at(columns, column, n_lanes), n_lanes, row + column, gate_stride);
            const StepRows<T> rest = at(columns, column, n_lanes);
            if (columns.n - column == 3) add_block<Slots, 3>(steps, rows, rest, n_lanes, row + column, gate_stride);
            if (columns.n - column == 2) add_block<Slots, 2>(steps, rows, rest, n_lanes, row + column, gate_stride);
            if (columns.n - column == 1) add_block<Slots, 1>(steps, rows, rest, n_lanes, row + column, gate_stride);
        }
    }

    template <class Slots>
    static void add_panel(const Steps& steps, StepRows<T> gradients, int n_units, const Columns<T>& columns, int column,
                          int n_lanes, T* into, std::int64_t gate_stride, std::int64_t unit_stride) {
        const StepRows<T> panel{columns.panels + column / Columns<T>::panel_size * columns.panel, columns.step};
        const auto add = [&](auto n, int unit) {
            const StepRows<T> rows{gradients.rows + std::int64_t(4) * unit * n_lanes, gradients.stride};
            add_outer<Slots, decltype(n)::value>(steps, rows, panel, n_lanes, into + unit * unit_stride, gate_stride,
                                                 unit_stride);
        };
        int unit = 0;
        for (; n_units - unit >= U; unit += U) add(Count<U>(), unit);
        for (; unit < n_units; ++unit) add(Count<1>(), unit);
    }

    // Of N units and a panel: gradients [unit][slot][lane] times rows [lane][column], a lane at a time.
    template <class Slots, int N>
    static void add_outer(const Steps& steps, StepRows<T> gradients, StepRows<T> panel, int n_lanes, T* into,
                          std::int64_t gate_stride, std::int64_t unit_stride) {
        using Row = Bundle<T, 1, 2>;
        Row acc[N][Slots::n];
#pragma GCC unroll 2
        for (int u = 0; u < N; ++u)
#pragma GCC unroll 4
            for (int g = 0; g < Slots::n; ++g) acc[u][g] = Row::broadcast(0);
        for (int t = 0; t < steps.n; ++t, gradients.rows += gradients.stride, panel.rows += panel.stride)
            for (int lane = 0; lane < steps.n_running[t]; ++lane) {
                const Row row = Row::load(panel.rows + std::int64_t(lane) * Columns<T>::panel_size, 0);
#pragma GCC unroll 2
                for (int u = 0; u < N; ++u)
#pragma GCC unroll 4
                    for (int g = 0; g < Slots::n; ++g) {
                        const T* const gradient = gradients.rows + std::int64_t(4 * u + Slots::at[g]) * n_lanes + lane;
                        acc[u][g] = fma(Row::broadcast(*gradient), row, acc[u][g]);
                    }
            }
#pragma GCC unroll 2
        for (int u = 0; u < N; ++u)
#pragma GCC unroll 4
            for (int g = 0; g < Slots::n; ++g) {
                T* const out = into + u * unit_stride + g * gate_stride;
                (Row::load(out, 0) + acc[u][g]).store(out, 0);
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

    static StepRows<T> at(const Columns<T>& columns, int column, int n_lanes) {
        return {columns.rows.rows + std::int64_t(column) * n_lanes, columns.rows.stride};
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
    static void add_readout_gradient(const Steps& steps, StepRows<T> gradients, int n_channels, const Columns<T>& columns,
                                     int n_lanes, T* into, std::int64_t stride) {
        add_weight_gradient<Slots4>(steps, gradients, (n_channels + 3) / 4, columns, n_lanes, into, stride, 4 * stride);
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
