// U x N vectors that are computed in an interleaved order, which hides the latency of their operations.

template <class T, int U, int N>
struct Bundle {
    using Value = T;
    using V = Vec<T>;
    struct Mask {
        typename V::Mask of[U][N];
    };
    V v[U][N];

    // row: distance from one row of N vectors to the next
    static SEQAE_INLINE Bundle load(const T* p, std::int64_t row) {
        return make([=](int u, int n) { return V::load(p + u * row + n * V::width); });
    }
    static SEQAE_INLINE Bundle broadcast(T x) {
        return make([=](int, int) { return V::broadcast(x); });
    }
    // the mask of the first n lanes of each row
    static SEQAE_INLINE Mask first(int n_lanes) {
        Mask masks;
#pragma GCC unroll 2
        for (int u = 0; u < U; ++u)
#pragma GCC unroll 2
            for (int n = 0; n < N; ++n) masks.of[u][n] = V::first(n_lanes - n * V::width);
        return masks;
    }
    SEQAE_INLINE void store(T* p, std::int64_t row) const {
#pragma GCC unroll 2
        for (int u = 0; u < U; ++u)
#pragma GCC unroll 2
            for (int n = 0; n < N; ++n) v[u][n].store(p + u * row + n * V::width);
    }

    friend SEQAE_INLINE Bundle operator+(const Bundle& a, const Bundle& b) {
        return make([&](int u, int n) { return a.v[u][n] + b.v[u][n]; });
    }
    friend SEQAE_INLINE Bundle operator-(const Bundle& a, const Bundle& b) {
        return make([&](int u, int n) { return a.v[u][n] - b.v[u][n]; });
    }
    friend SEQAE_INLINE Bundle operator*(const Bundle& a, const Bundle& b) {
        return make([&](int u, int n) { return a.v[u][n] * b.v[u][n]; });
    }
    friend SEQAE_INLINE Bundle operator/(const Bundle& a, const Bundle& b) {
        return make([&](int u, int n) { return a.v[u][n] / b.v[u][n]; });
    }
    friend SEQAE_INLINE Bundle fma(const Bundle& a, const Bundle& b, const Bundle& c) {
        return make([&](int u, int n) { return fma(a.v[u][n], b.v[u][n], c.v[u][n]); });
    }
    friend SEQAE_INLINE Bundle min(const Bundle& a, const Bundle& b) {
        return make([&](int u, int n) { return min(a.v[u][n], b.v[u][n]); });
    }
    friend SEQAE_INLINE Bundle max(const Bundle& a, const Bundle& b) {
        return make([&](int u, int n) { return max(a.v[u][n], b.v[u][n]); });
    }
    friend SEQAE_INLINE Bundle round(const Bundle& a) {
        return make([&](int u, int n) { return round(a.v[u][n]); });
    }
    friend SEQAE_INLINE Bundle scale(const Bundle& x, const Bundle& n_powers) {
        return make([&](int u, int n) { return scale(x.v[u][n], n_powers.v[u][n]); });
    }
    friend SEQAE_INLINE Bundle select(const Mask& masks, const Bundle& a, const Bundle& b) {
        return make([&](int u, int n) { return select(masks.of[u][n], a.v[u][n], b.v[u][n]); });
    }
    friend SEQAE_INLINE Mask is_positive(const Bundle& a) {
        Mask masks;
#pragma GCC unroll 2
        for (int u = 0; u < U; ++u)
#pragma GCC unroll 2
            for (int n = 0; n < N; ++n) masks.of[u][n] = is_positive(a.v[u][n]);
        return masks;
    }

private:
    template <class F>
    static SEQAE_INLINE Bundle make(F f) {
        Bundle out;
#pragma GCC unroll 2
        for (int u = 0; u < U; ++u)
#pragma GCC unroll 2
            for (int n = 0; n < N; ++n) out.v[u][n] = f(u, n);
        return out;
    }
};
