// Rows times a matrix, plus an offset. Each value is one chain of multiply-adds over ascending inputs, so that the bits of a
// row depend neither on the other rows nor on how many are computed together.

template <class T>
class Affine {
public:
    explicit Affine(const AffineProblem<T>& p)
        : p_(p), n_vectors_(p.n_outputs / width), memory_(width * (p.n_inputs + 1) * sizeof(T)) {
        const std::int64_t first = n_vectors_ * width;
        if (first == p.n_outputs) return;
        T* const rest = memory_.template as<T>();  // the last columns and their offsets, filled up to a vector
        for (std::int64_t k = 0; k <= p.n_inputs; ++k)
            for (int lane = 0; lane < width; ++lane) {
                const T* const row = k < p.n_inputs ? p.matrix + k * p.n_outputs : p.offset;
                rest[k * width + lane] = first + lane < p.n_outputs ? row[first + lane] : T(0);
            }
    }

    void rows(std::int64_t first, std::int64_t last) const {
        constexpr int some = 4;
        for (; first + some <= last; first += some) sweep<some, most_vectors>(first, 0);
        for (; first < last; ++first) sweep<1, 2 * most_vectors>(first, 0);
    }

private:
    using V = Vec<T>;
    static constexpr int width = V::width;
    static constexpr int most_vectors = 2 * block_units;  // times four rows: half of the registers

    // R rows from one on, columns from a vector on, N vectors at a time, then fewer
    template <int R, int N>
    void sweep(std::int64_t row, std::int64_t vector) const {
        for (; vector + N <= n_vectors_; vector += N) {
            V sums[R][N];
            const std::int64_t column = vector * width;
            multiply(row, p_.matrix + column, p_.n_outputs, p_.offset + column, sums);
            for (int r = 0; r < R; ++r)
                for (int n = 0; n < N; ++n) sums[r][n].store(p_.out + (row + r) * p_.n_outputs + column + n * width);
        }
        if constexpr (N > 1) sweep<R, N / 2>(row, vector);
        else
            finish<R>(row);
    }

    // the columns after the last whole vector
    template <int R>
    void finish(std::int64_t row) const {
        const std::int64_t first = n_vectors_ * width;
        if (first == p_.n_outputs) return;
        const T* const rest = memory_.template as<T>();
        V sums[R][1];
        multiply(row, rest, width, rest + p_.n_inputs * width, sums);
        for (int r = 0; r < R; ++r) {
            T values[width];
            sums[r][0].store(values);
            for (std::int64_t column = first; column < p_.n_outputs; ++column)
                p_.out[(row + r) * p_.n_outputs + column] = values[column - first];
        }
    }

    // stride: from one row of the matrix to the next
    template <int R, int N>
    SEQAE_INLINE void multiply(std::int64_t row, const T* matrix, std::int64_t stride, const T* offset, V (&sums)[R][N]) const {
        const T* const x = p_.x + row * p_.n_inputs;
        V acc[R][N];
        for (int r = 0; r < R; ++r)
            for (int n = 0; n < N; ++n) acc[r][n] = V::load(offset + n * width);
        for (std::int64_t k = 0; k < p_.n_inputs; ++k, matrix += stride) {
            V weights[N];
#pragma GCC unroll 8
            for (int n = 0; n < N; ++n) weights[n] = V::load(matrix + n * width);
#pragma GCC unroll 4
            for (int r = 0; r < R; ++r) {
                const V input = V::broadcast(x[r * p_.n_inputs + k]);
#pragma GCC unroll 8
                for (int n = 0; n < N; ++n) acc[r][n] = fma(input, weights[n], acc[r][n]);
            }
        }
        for (int r = 0; r < R; ++r)
            for (int n = 0; n < N; ++n) sums[r][n] = acc[r][n];
    }

    const AffineProblem<T>& p_;
    const std::int64_t n_vectors_;  // whole ones of each row
    const Block memory_;
};

template <class T>
void affine(const AffineProblem<T>& p, int n_threads) {
    constexpr std::int64_t products_per_job = 1 << 20, rows_per_job = 16;  // at least
    const Affine<T> affine(p);
    const std::int64_t by_products = 1 + p.n * p.n_inputs * p.n_outputs / products_per_job, by_rows = 1 + p.n / rows_per_job;
    const int n = int(by_products < by_rows ? by_products : by_rows);
    parallel_for(n, n_threads, [&](int i, int) { affine.rows(p.n * i / n, p.n * (i + 1) / n); });
}
