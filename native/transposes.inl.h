// Transposes of squares of values, as wide as a vector: from rows of steps to rows of lanes.

// to[column][row] = from[row][column] of as many rows and columns as a vector has values; strides: from one to the next
template <class T>
void transpose(const T* from, std::int64_t from_stride, T* to, std::int64_t to_stride) {
    for (int i = 0; i < Vec<T>::width; ++i)
        for (int j = 0; j < Vec<T>::width; ++j) to[j * to_stride + i] = from[i * from_stride + j];
}

// the same of rows that lie anywhere, and of their first n_columns, at most a vector's
template <class T>
void transpose_in(const T* const* from, int n_columns, T* to, std::int64_t to_stride) {
    for (int i = 0; i < Vec<T>::width; ++i)
        for (int j = 0; j < n_columns; ++j) to[j * to_stride + i] = from[i][j];
}

// to[row][column] = from[column][row] of n_columns
template <class T>
void transpose_out(const T* from, std::int64_t from_stride, int n_columns, T* const* to) {
    for (int i = 0; i < Vec<T>::width; ++i)
        for (int j = 0; j < n_columns; ++j) to[i][j] = from[j * from_stride + i];
}

// In place of these, for float:
#if defined(SEQAE_AVX512)
// store(column, its 16 values), of the 16 rows that load(row) gives
template <class Load, class Store>
SEQAE_INLINE void transpose_with(Load load, Store store) {
    __m512 a[16], b[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) a[i] = load(i);
#pragma GCC unroll 16
    for (int i = 0; i < 16; i += 2) {
        b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
    }
    const auto low = [](__m512 x, __m512 y) {
        return _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(x), _mm512_castps_pd(y)));
    };
    const auto high = [](__m512 x, __m512 y) {
        return _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(x), _mm512_castps_pd(y)));
    };
#pragma GCC unroll 16
    for (int i = 0; i < 16; i += 4) {
        a[i] = low(b[i], b[i + 2]);
        a[i + 1] = high(b[i], b[i + 2]);
        a[i + 2] = low(b[i + 1], b[i + 3]);
        a[i + 3] = high(b[i + 1], b[i + 3]);
    }
    // a[i + j] now holds columns j, 4 + j, 8 + j and 12 + j of rows i .. i + 3
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
        const __m512 upper_even = _mm512_shuffle_f32x4(a[j], a[4 + j], 0x88);
        const __m512 upper_odd = _mm512_shuffle_f32x4(a[j], a[4 + j], 0xdd);
        const __m512 lower_even = _mm512_shuffle_f32x4(a[8 + j], a[12 + j], 0x88);
        const __m512 lower_odd = _mm512_shuffle_f32x4(a[8 + j], a[12 + j], 0xdd);
        store(j, _mm512_shuffle_f32x4(upper_even, lower_even, 0x88));
        store(4 + j, _mm512_shuffle_f32x4(upper_odd, lower_odd, 0x88));
        store(8 + j, _mm512_shuffle_f32x4(upper_even, lower_even, 0xdd));
        store(12 + j, _mm512_shuffle_f32x4(upper_odd, lower_odd, 0xdd));
    }
}

inline void transpose(const float* from, std::int64_t from_stride, float* to, std::int64_t to_stride) {
    transpose_with([=](int row) { return _mm512_loadu_ps(from + row * from_stride); },
                   [=](int column, __m512 values) { _mm512_storeu_ps(to + column * to_stride, values); });
}

inline void transpose_in(const float* const* from, int n_columns, float* to, std::int64_t to_stride) {
    const __mmask16 mask = Vec<float>::first(n_columns);
    transpose_with([=](int row) { return _mm512_maskz_loadu_ps(mask, from[row]); },
                   [=](int column, __m512 values) {
                       if (column < n_columns) _mm512_storeu_ps(to + column * to_stride, values);
                   });
}

inline void transpose_out(const float* from, std::int64_t from_stride, int n_columns, float* const* to) {
    const __mmask16 mask = Vec<float>::first(n_columns);
    transpose_with([=](int column) {
                       return column < n_columns ? _mm512_loadu_ps(from + column * from_stride) : _mm512_setzero_ps();
                   },
                   [=](int row, __m512 values) { _mm512_mask_storeu_ps(to[row], mask, values); });
}

#elif defined(SEQAE_AVX2)
inline void transpose(const float* from, std::int64_t from_stride, float* to, std::int64_t to_stride) {
    __m256 a[8], b[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) a[i] = _mm256_loadu_ps(from + i * from_stride);
#pragma GCC unroll 8
    for (int i = 0; i < 8; i += 2) {
        b[i] = _mm256_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; i += 4) {
        a[i] = _mm256_shuffle_ps(b[i], b[i + 2], 0x44);
        a[i + 1] = _mm256_shuffle_ps(b[i], b[i + 2], 0xee);
        a[i + 2] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0x44);
        a[i + 3] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0xee);
    }
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
        _mm256_storeu_ps(to + j * to_stride, _mm256_permute2f128_ps(a[j], a[4 + j], 0x20));
        _mm256_storeu_ps(to + (4 + j) * to_stride, _mm256_permute2f128_ps(a[j], a[4 + j], 0x31));
    }
}
#endif
