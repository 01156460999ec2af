// Weights in the order in which the two layouts read them.

template <class T>
struct PackedLayer {
    int n_units = 0, n_inputs = 0;
    int n_unit_rows = 0;                       // n_units, padded as the layout wants it
    const T *bias = nullptr, *input = nullptr, *hidden = nullptr;        // forward
    const T *to_input = nullptr, *to_hidden = nullptr;  // backward: the transposes, from gates
};

template <class T>
struct PackedReadout {
    int n_channels = 0, n_units = 0;
    const T *forward = nullptr, *backward = nullptr;  // backward: the transpose
};

template <int n>
struct Count {
    static constexpr int value = n;
};

inline std::int64_t round_up(std::int64_t n, std::int64_t unit) { return (n + unit - 1) / unit * unit; }

template <class T>
void fill_zero(T* values, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) values[i] = 0;
}

inline std::int64_t larger(std::int64_t a, std::int64_t b) { return a > b ? a : b; }

constexpr int most_rows = 4 * block_units;  // that are computed together: 4 or 8, times two vectors

// of those left: as many as can be, else the next power of two
inline int block_rows(int n_left) { return n_left > 4 ? most_rows : n_left > 2 ? 4 : n_left; }

// Hands out one block of memory piece by piece; with none, it only counts.
template <class T>
struct Arena {
    T* base = nullptr;
    std::int64_t n_taken = 0;
    T* take(std::int64_t n) {
        T* const piece = base ? base + n_taken : nullptr;
        n_taken += round_up(n, 64 / sizeof(T));
        return piece;
    }
};

// The values of all rows of a matrix at one k.
template <class T>
struct Strided {
    const T* first;
    std::int64_t stride;  // from one row to the next
    T operator[](int row) const { return first[row * stride]; }
};

// rows of torch's (n_rows, n_k)
template <class T>
auto rows_of(const T* weights, int n_k) {
    return [=](int k) { return Strided<T>{weights + k, n_k}; };
}

// columns of torch's (n_rows, n_columns) as rows
template <class T>
auto columns_of(const T* weights, int n_columns) {
    return [=](int k) { return Strided<T>{weights + std::int64_t(k) * n_columns, 1}; };
}

// the same of (n_gates * n_units, n_columns), whose rows are taken in [unit][gate] order
template <class Slots, class T>
auto columns_of_gates(const T* weights, int n_units, int n_columns) {
    return [=](int k) {
        const std::int64_t row = std::int64_t(k % Slots::n) * n_units + k / Slots::n;
        return Strided<T>{weights + row * n_columns, 1};
    };
}

// out[block][k][row of block] = at(k)[row]: what products over k with a broadcast weight read.
template <class T, class At>
const T* pack_product(Arena<T>& arena, int n_rows, int n_k, At at) {
    T* const packed = arena.take(round_up(n_rows, most_rows) * std::int64_t(n_k));
    if (!packed) return nullptr;
    T* out = packed;
    for (int first = 0; first < n_rows;) {
        const int rows = block_rows(n_rows - first);
        for (int k = 0; k < n_k; ++k) {
            const Strided<T> values = at(k);
            for (int r = first; r < first + rows; ++r) *out++ = r < n_rows ? values[r] : T(0);
        }
        first += rows;
    }
    return packed;
}

// out[block of width rows][k][row of block]: what products over k with a vector of weights read.
template <class T, class At>
const T* pack_vectors(Arena<T>& arena, int n_rows, int n_k, At at) {
    constexpr int width = Vec<T>::width;
    T* const packed = arena.take(round_up(n_rows, width) * std::int64_t(n_k));
    if (!packed) return nullptr;
    T* out = packed;
    for (int first = 0; first < n_rows; first += width)
        for (int k = 0; k < n_k; ++k) {
            const Strided<T> values = at(k);
            for (int r = first; r < first + width; ++r) *out++ = r < n_rows ? values[r] : T(0);
        }
    return packed;
}

// Bias of a unit's slot: one for the two that meet in a sum.
template <class Cell, class T>
T slot_bias(const Layer<T>& layer, int unit, int slot) {
    const int H = layer.hidden_size;
    if (Cell::n_gates == 3 && slot == 2) return layer.input_bias[2 * H + unit];
    if (Cell::n_gates == 3 && slot == 3) return layer.hidden_bias[2 * H + unit];
    return layer.input_bias[slot * H + unit] + layer.hidden_bias[slot * H + unit];
}
