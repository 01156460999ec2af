// The backward pass of the wide layout: from the gradients of outputs to those of gates, states and inputs.

// The gradient of h of one step that does not come from the step after it.
template <class T>
struct FromAbove {
    const T* direct = nullptr;   // gradient of h itself, rows
    const T* weights = nullptr;  // packed transpose: of the readout, or of the input weights of the layer above
    const T* rows = nullptr;     // its factor: gradients of the readout, or of the gates of the layer above
    int n_groups = 0;            // channels, or units
    bool is_gates = false;
};

// Records lie too far apart for the CPU's prefetcher: prefetches the record of the step before for R units, a few lines
// at a time, because a CPU has only some tens of outstanding loads.
template <class T, class Cell, int R>
class Ahead {
public:
    // before: the record of that step, whose gates and h it reads; of its c, the one of the record before
    SEQAE_INLINE Ahead(const T* before, std::int64_t record, std::int64_t part, int n_lanes, int first, int n_calls)
        : n_(R * n_lanes / line), n_each_((6 * n_ + n_calls - 1) / n_calls) {
        const std::int64_t at = std::int64_t(first) * n_lanes;
        gates_ = before + Cell::n_parts * part + 4 * at;
        h_ = before + at - 4 * n_ * line;
        c_ = before - record + (Cell::n_states - 1) * part + at - 5 * n_ * line;
    }

    SEQAE_INLINE void fetch() {
        for (int i = 0; i < n_each_ && at_ < 6 * n_; ++i, ++at_) {
            const T* const base = at_ < 4 * n_ ? gates_ : at_ < 5 * n_ ? h_ : c_;
            __builtin_prefetch(base + at_ * line, 0, 2);
        }
    }

private:
    static constexpr int line = 64 / sizeof(T);
    const T *gates_, *h_, *c_;
    int n_, n_each_, at_ = 0;
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
        Ahead<T, Cell, R> ahead(before, after - before, std::int64_t(w.n_unit_rows) * n_lanes, n_lanes, first, w.n_units);
        V dh[R][NV];
        start_step(dh, w, above, carry, n_lanes, n_next < n_running, n_next, first);
        if (next_gates)
            Layout::template add_rows<typename Cell::H>(dh, w.to_hidden + std::int64_t(first) * w.n_units * Cell::H::n,
                                                        next_gates, w.n_units, n_lanes, [&] { ahead.fetch(); });
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
