// The wide layout: a lane is a sequence. Rows of n_lanes values: [unit][lane] for states, [unit][slot][lane] for gates.
// Each sum is of one weight, broadcast, times a vector of lanes; k ascends, one fma each, so that a lane's bits do not
// depend on other lanes.

// What does not depend on the cell.
template <class T>
struct WideProducts {
    using V = Vec<T>;
    static constexpr int width = V::width;

    template <class Slots>
    static const T* pack_transpose(Arena<T>& arena, const T* weights, int n_units, int n_columns) {
        return pack_product(arena, n_columns, n_units * Slots::n, columns_of_gates<Slots>(weights, n_units, n_columns));
    }

    static const T* pack_rows(Arena<T>& arena, const T* weights, int n_rows, int n_k) {
        return pack_product(arena, n_rows, n_k, rows_of(weights, n_k));
    }

    static const T* pack_columns(Arena<T>& arena, const T* weights, int n_rows, int n_k) {
        return pack_product(arena, n_k, n_rows, columns_of(weights, n_k));
    }

    // acc[r] += sum over k of w[r][k] * rows[k]; beside: called for each k
    template <class Slots, int R, int NV, class F>
    static SEQAE_INLINE void add_rows(V (&acc)[R][NV], const T* w, const T* rows, int n_groups, int n_lanes, F beside) {
        for (int k = 0; k < n_groups; ++k, rows += Slots::group * n_lanes) {
            beside();
#pragma GCC unroll 4
            for (int g = 0; g < Slots::n; ++g, w += R) {
                V x[NV];
#pragma GCC unroll 2
                for (int v = 0; v < NV; ++v) x[v] = V::load(rows + Slots::at[g] * n_lanes + v * width);
#pragma GCC unroll 8
                for (int r = 0; r < R; ++r) {
                    const V weight = V::broadcast(w[r]);
#pragma GCC unroll 2
                    for (int v = 0; v < NV; ++v) acc[r][v] = fma(weight, x[v], acc[r][v]);
                }
            }
        }
    }

    template <class Slots, int R, int NV>
    static SEQAE_INLINE void add_rows(V (&acc)[R][NV], const T* w, const T* rows, int n_groups, int n_lanes) {
        add_rows<Slots>(acc, w, rows, n_groups, n_lanes, [] {});
    }

    // f(Count<R>(), first row) for each block of R rows
    template <class F>
    static SEQAE_INLINE void each_block(int n_rows, F f) {
        int first = 0;
        for (; n_rows - first > most_rows / 2; first += most_rows) f(Count<most_rows>(), first);
        if (n_rows - first > 2) return f(Count<4>(), first);
        if (n_rows - first == 2) return f(Count<2>(), first);
        if (n_rows - first == 1) f(Count<1>(), first);
    }

    // out[row] = (bias[row] | out[row] | 0) + sum over k of w[row][k] * rows[k]
    template <class Slots>
    static void product(const T* w, const T* bias, bool is_added, const T* rows, int n_groups, T* out, int n_rows,
                        int n_lanes, int n_running) {
        if (n_running > width)
            product_vectors<Slots, 2>(w, bias, is_added, rows, n_groups, out, n_rows, n_lanes);
        else
            product_vectors<Slots, 1>(w, bias, is_added, rows, n_groups, out, n_rows, n_lanes);
    }

    template <class Slots, int NV>
    static void product_vectors(const T* w, const T* bias, bool is_added, const T* rows, int n_groups, T* out, int n_rows,
                                int n_lanes) {
        each_block(n_rows, [&](auto count, int first) {
            constexpr int R = decltype(count)::value;
            V acc[R][NV];
            const auto each_sum = [&](auto f) {
#pragma GCC unroll 8
                for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
                    for (int v = 0; v < NV; ++v)
                        if (first + r < n_rows) f(acc[r][v], out + std::int64_t(first + r) * n_lanes + v * width, first + r);
                        else
                            acc[r][v] = V::broadcast(0);
            };
            each_sum([&](V& sum, const T* at, int row) {
                sum = is_added ? V::load(at) : V::broadcast(bias ? bias[row] : T(0));
            });
            add_rows<Slots>(acc, w + std::int64_t(first) * n_groups * Slots::n, rows, n_groups, n_lanes);
            each_sum([](const V& sum, T* at, int) { sum.store(at); });
        });
    }
};

template <class T, class Cell>
struct Wide : WideProducts<T> {
    using V = Vec<T>;
    static constexpr int U = block_units;
    static constexpr int width = V::width;

    static int unit_rows(int n_units) { return int(round_up(n_units, U)); }
    static int channel_rows(int n_channels) { return int(round_up(n_channels, 4)); }

    // ---- packing

    static PackedLayer<T> pack(Arena<T>& arena, const Layer<T>& layer) {
        PackedLayer<T> packed{layer.hidden_size, layer.input_size, unit_rows(layer.hidden_size)};
        packed.input = pack_gates<typename Cell::X>(arena, layer.input, layer.hidden_size, layer.input_size);
        packed.hidden = pack_gates<typename Cell::H>(arena, layer.hidden, layer.hidden_size, layer.hidden_size);
        T* const bias = arena.take(4 * packed.n_unit_rows);  // [unit][slot]
        packed.bias = bias;
        for (int j = 0; bias && j < packed.n_unit_rows; ++j)
            for (int s = 0; s < 4; ++s)
                bias[4 * j + s] = j < layer.hidden_size ? slot_bias<Cell>(layer, j, s) : T(0);
        return packed;
    }

    // [block of U units][k][unit][gate]
    template <class Slots>
    static const T* pack_gates(Arena<T>& arena, const T* weights, int n_units, int n_k) {
        T* const packed = arena.take(round_up(n_units, U) * Slots::n * n_k);
        if (!packed) return nullptr;
        T* out = packed;
        for (int first = 0; first < n_units; first += U)
            for (int k = 0; k < n_k; ++k)
                for (int u = first; u < first + U; ++u)
                    for (int g = 0; g < Slots::n; ++g)
                        *out++ = u < n_units ? weights[(std::int64_t(g) * n_units + u) * n_k + k] : T(0);
        return packed;
    }

    // ---- forward

    template <int NV>
    using Sums = Bundle<T, U, NV>[4];  // of the slots

    template <class Slots, int NV>
    static SEQAE_INLINE void add_gates(Sums<NV>& acc, const T* w, const T* rows, int n_k, int n_lanes) {
        for (int k = 0; k < n_k; ++k, rows += n_lanes, w += U * Slots::n) {
            V x[NV];
#pragma GCC unroll 2
            for (int v = 0; v < NV; ++v) x[v] = V::load(rows + v * width);
#pragma GCC unroll 2
            for (int u = 0; u < U; ++u)
#pragma GCC unroll 4
                for (int g = 0; g < Slots::n; ++g) {
                    const V weight = V::broadcast(w[u * Slots::n + g]);
                    V (&sums)[NV] = acc[Slots::at[g]].v[u];
#pragma GCC unroll 2
                    for (int v = 0; v < NV; ++v) sums[v] = fma(weight, x[v], sums[v]);
                }
        }
    }

    template <int NV>
    static SEQAE_INLINE void start_gates(Sums<NV>& acc, const PackedLayer<T>& w, const T* projected, int unit,
                                         int n_lanes) {
#pragma GCC unroll 2
        for (int u = 0; u < U; ++u)
#pragma GCC unroll 4
            for (int s = 0; s < 4; ++s)
#pragma GCC unroll 2
                for (int v = 0; v < NV; ++v) {
                    const std::int64_t row = 4 * (unit + u) + s;
                    acc[s].v[u][v] = projected ? V::load(projected + row * n_lanes + v * width)
                                               : V::broadcast(w.bias[row]);
                }
    }

    // projected = bias + W_input x, gates rows
    static void project(const PackedLayer<T>& w, const T* x, T* projected, int n_lanes) {
        for (int v = 0; v < n_lanes; v += width)
            for (int unit = 0; unit < w.n_units; unit += U) {
                Sums<1> acc;
                start_gates<1>(acc, w, nullptr, unit, n_lanes);
                const T* const weights = w.input + std::int64_t(unit) * Cell::X::n * w.n_inputs;
                add_gates<typename Cell::X, 1>(acc, weights, x + v, w.n_inputs, n_lanes);
                for (int s = 0; s < 4; ++s) acc[s].store(projected + (4 * unit + s) * n_lanes + v, 4 * n_lanes);
            }
    }

    template <bool keep>
    static void forward(const PackedLayer<T>& w, const T* projected, const T* x, const T* before, T* after,
                        int n_lanes, int n_running) {
        if (n_running > width)
            forward_vectors<keep, 2>(w, projected, x, before, after, n_lanes, n_running);
        else
            forward_vectors<keep, 1>(w, projected, x, before, after, n_lanes, n_running);
    }

    // not inlined: in a larger function GCC may keep sums in memory
    template <bool keep, int NV>
    [[gnu::noinline]] static void forward_vectors(const PackedLayer<T>& w, const T* projected, const T* x,
                                                  const T* before, T* after, int n_lanes, int n_running) {
        for (int unit = 0; unit < w.n_units; unit += U) {
            Sums<NV> acc;
            start_gates<NV>(acc, w, projected, unit, n_lanes);
            if (x) {
                const T* const weights = w.input + std::int64_t(unit) * Cell::X::n * w.n_inputs;
                add_gates<typename Cell::X, NV>(acc, weights, x, w.n_inputs, n_lanes);
            }
            const T* const weights = w.hidden + std::int64_t(unit) * Cell::H::n * w.n_units;
            add_gates<typename Cell::H, NV>(acc, weights, before, w.n_units, n_lanes);
            Cell::template forward<keep>(acc, spot_at<Bundle<T, U, NV>>(w, before, after, unit, n_lanes, n_running));
        }
    }

    template <class B>
    static SEQAE_INLINE Spot<B> spot_at(const PackedLayer<T>& w, const T* before, T* after, int unit, int n_lanes,
                                        int n_running) {
        constexpr int n_vectors = sizeof(B::v[0]) / sizeof(V);
        const std::int64_t part = std::int64_t(w.n_unit_rows) * n_lanes, at = std::int64_t(unit) * n_lanes;
        return {before + at, after + at, after + Cell::n_parts * part + 4 * at, part, n_lanes, n_lanes, 4 * n_lanes,
                B::first(n_running), n_running >= n_vectors * width};
    }
};
