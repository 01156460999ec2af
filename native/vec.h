// One vector type per instruction set and float type, with the same operations. Nothing else depends on the CPU.
// Included inside the namespace of the instruction set that SEQAE_AVX512, SEQAE_AVX2, SEQAE_NEON or SEQAE_SCALAR names.
//
//   load store broadcast | + - * / | fma(a, b, c) = a * b + c, rounded once | min max: the second argument where NaN
//   round: to nearest even | scale(x, n) = x * 2^n for integral |n| <= 126 (1022) | select(mask, a, b)
//   first(n): the mask of lanes 0..n-1 | sum: of all lanes, in a fixed order | is_greater(a, b), of floats: false where NaN
//   Tally: counts the lanes of masks of floats
#define SEQAE_INLINE inline __attribute__((always_inline))

template <class T>
struct Vec;

#if defined(SEQAE_AVX512)
constexpr int block_units = 2;  // units of one forward block: x 4 gates x 2 vectors = 16 of the 32 registers

template <>
struct Vec<float> {
    using Value = float;
    static constexpr int width = 16;
    using Mask = __mmask16;
    __m512 v;
    static SEQAE_INLINE Vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
    static SEQAE_INLINE Vec broadcast(float x) { return {_mm512_set1_ps(x)}; }
    static SEQAE_INLINE Mask first(int n) { return n <= 0 ? 0 : n >= width ? 0xffff : Mask((1u << n) - 1); }
    SEQAE_INLINE void store(float* p) const { _mm512_storeu_ps(p, v); }
    friend SEQAE_INLINE Vec operator+(Vec a, Vec b) { return {_mm512_add_ps(a.v, b.v)}; }
    friend SEQAE_INLINE Vec operator-(Vec a, Vec b) { return {_mm512_sub_ps(a.v, b.v)}; }
    friend SEQAE_INLINE Vec operator*(Vec a, Vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
    friend SEQAE_INLINE Vec operator/(Vec a, Vec b) { return {_mm512_div_ps(a.v, b.v)}; }
    friend SEQAE_INLINE Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
    friend SEQAE_INLINE Vec min(Vec a, Vec b) { return {_mm512_min_ps(a.v, b.v)}; }
    friend SEQAE_INLINE Vec max(Vec a, Vec b) { return {_mm512_max_ps(a.v, b.v)}; }
    friend SEQAE_INLINE Vec round(Vec a) { return {_mm512_roundscale_ps(a.v, 8)}; }
    friend SEQAE_INLINE Vec scale(Vec x, Vec n) { return {_mm512_scalef_ps(x.v, n.v)}; }
    friend SEQAE_INLINE Vec select(Mask m, Vec a, Vec b) { return {_mm512_mask_blend_ps(m, b.v, a.v)}; }
    friend SEQAE_INLINE Mask is_positive(Vec a) { return _mm512_cmp_ps_mask(a.v, _mm512_setzero_ps(), _CMP_GT_OQ); }
    friend SEQAE_INLINE Mask is_greater(Vec a, Vec b) { return _mm512_cmp_ps_mask(a.v, b.v, _CMP_GT_OQ); }
    friend SEQAE_INLINE float sum(Vec a) { return _mm512_reduce_add_ps(a.v); }
};

struct Tally {
    int n = 0;
    SEQAE_INLINE void add(Vec<float>::Mask m) { n += __builtin_popcount(m); }
    SEQAE_INLINE int total() const { return n; }
};

template <>
struct Vec<double> {
    using Value = double;
    static constexpr int width = 8;
    using Mask = __mmask8;
    __m512d v;
    static SEQAE_INLINE Vec load(const double* p) { return {_mm512_loadu_pd(p)}; }
    static SEQAE_INLINE Vec broadcast(double x) { return {_mm512_set1_pd(x)}; }
    static SEQAE_INLINE Mask first(int n) { return n <= 0 ? 0 : n >= width ? 0xff : Mask((1u << n) - 1); }
    SEQAE_INLINE void store(double* p) const { _mm512_storeu_pd(p, v); }
    friend SEQAE_INLINE Vec operator+(Vec a, Vec b) { return {_mm512_add_pd(a.v, b.v)}; }
    friend SEQAE_INLINE Vec operator-(Vec a, Vec b) { return {_mm512_sub_pd(a.v, b.v)}; }
    friend SEQAE_INLINE Vec operator*(Vec a, Vec b) { return {_mm512_mul_pd(a.v, b.v)}; }
    friend SEQAE_INLINE Vec operator/(Vec a, Vec b) { return {_mm512_div_pd(a.v, b.v)}; }
    friend SEQAE_INLINE Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_pd(a.v, b.v, c.v)}; }
    friend SEQAE_INLINE Vec min(Vec a, Vec b) { return {_mm512_min_pd(a.v, b.v)}; }
    friend SEQAE_INLINE Vec max(Vec a, Vec b) { return {_mm512_max_pd(a.v, b.v)}; }
    friend SEQAE_INLINE Vec round(Vec a) { return {_mm512_roundscale_pd(a.v, 8)}; }
    friend SEQAE_INLINE Vec scale(Vec x, Vec n) { return {_mm512_scalef_pd(x.v, n.v)}; }
    friend SEQAE_INLINE Vec select(Mask m, Vec a, Vec b) { return {_mm512_mask_blend_pd(m, b.v, a.v)}; }
    friend SEQAE_INLINE Mask is_positive(Vec a) { return _mm512_cmp_pd_mask(a.v, _mm512_setzero_pd(), _CMP_GT_OQ); }
    friend SEQAE_INLINE double sum(Vec a) { return _mm512_reduce_add_pd(a.v); }
};

// into[g * stride + c] += sum(acc[g][c]): transposes and adds by halves, three times as fast as sixteen sums
inline void add_sums(const Vec<float> (&acc)[4][4], float* into, std::int64_t stride) {
    const auto halves = [](__m512 a, __m512 b) { return _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b)); };
    const auto quarters = [](__m512 a, __m512 b) {
        const __m512d x = _mm512_castps_pd(a), y = _mm512_castps_pd(b);
        return _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(x, y)), _mm512_castpd_ps(_mm512_unpackhi_pd(x, y)));
    };
    const auto lanes = [](__m512 a, __m512 b) {
        return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
    };
    __m512 row[4];  // of each g: four lanes of four partial sums
#pragma GCC unroll 4
    for (int g = 0; g < 4; ++g)
        row[g] = quarters(halves(acc[g][0].v, acc[g][1].v), halves(acc[g][2].v, acc[g][3].v));
    const __m512 sums = lanes(lanes(row[0], row[1]), lanes(row[2], row[3]));
    const auto add = [&](int g, __m128 part) { _mm_storeu_ps(into + g * stride, _mm_add_ps(_mm_loadu_ps(into + g * stride), part)); };
    add(0, _mm512_castps512_ps128(sums));
    add(1, _mm512_extractf32x4_ps(sums, 1));
    add(2, _mm512_extractf32x4_ps(sums, 2));
    add(3, _mm512_extractf32x4_ps(sums, 3));
}

#elif defined(SEQAE_AVX2)
constexpr int block_units = 1;  // x 4 gates x 2 vectors = 8 of the 16 registers

template <>
struct Vec<float> {
    using Value = float;
    static constexpr int width = 8;
    using Mask = __m256;
    __m256 v;
    static SEQAE_INLINE Vec load(const float* p) { return {_mm256_loadu_ps(p)}; }
    static SEQAE_INLINE Vec broadcast(float x) { return {_mm256_set1_ps(x)}; }
    static SEQAE_INLINE Mask first(int n) {
        const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        return _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(n), lane));
    }
    SEQAE_INLINE void store(float* p) const { _mm256_storeu_ps(p, v); }
    friend SEQAE_INLINE Vec operator+(Vec a, Vec b) { return {_mm256_add_ps(a.v, b.v)}; }
    friend SEQAE_INLINE Vec operator-(Vec a, Vec b) { return {_mm256_sub_ps(a.v, b.v)}; }
    friend SEQAE_INLINE Vec operator*(Vec a, Vec b) { return {_mm256_mul_ps(a.v, b.v)}; }
    friend SEQAE_INLINE Vec operator/(Vec a, Vec b) { return {_mm256_div_ps(a.v, b.v)}; }
    friend SEQAE_INLINE Vec fma(Vec a, Vec b, Vec c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
    friend SEQAE_INLINE Vec min(Vec a, Vec b) { return {_mm256_min_ps(a.v, b.v)}; }
    friend SEQAE_INLINE Vec max(Vec a, Vec b) { return {_mm256_max_ps(a.v, b.v)}; }
    friend SEQAE_INLINE Vec round(Vec a) { return {_mm256_round_ps(a.v, 8)}; }
    friend SEQAE_INLINE Vec scale(Vec x, Vec n) {
        const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n.v), _mm256_set1_epi32(127));
        return {_mm256_mul_ps(x.v, _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23)))};
    }
    friend SEQAE_INLINE Vec select(Mask m, Vec a, Vec b) { return {_mm256_blendv_ps(b.v, a.v, m)}; }
    friend SEQAE_INLINE Mask is_positive(Vec a) { return _mm256_cmp_ps(a.v, _mm256_setzero_ps(), _CMP_GT_OQ); }
    friend SEQAE_INLINE Mask is_greater(Vec a, Vec b) { return _mm256_cmp_ps(a.v, b.v, _CMP_GT_OQ); }
    friend SEQAE_INLINE float sum(Vec a) {
        __m128 s = _mm_add_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
        s = _mm_add_ps(s, _mm_movehl_ps(s, s));
        return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
    }
};

struct Tally {
    int n = 0;
    SEQAE_INLINE void add(Vec<float>::Mask m) { n += __builtin_popcount(_mm256_movemask_ps(m)); }
    SEQAE_INLINE int total() const { return n; }
};

template <>
struct Vec<double> {
    using Value = double;
    static constexpr int width = 4;
    using Mask = __m256d;
    __m256d v;
    static SEQAE_INLINE Vec load(const double* p) { return {_mm256_loadu_pd(p)}; }
    static SEQAE_INLINE Vec broadcast(double x) { return {_mm256_set1_pd(x)}; }
    static SEQAE_INLINE Mask first(int n) {
        return _mm256_castsi256_pd(_mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3)));
    }
    SEQAE_INLINE void store(double* p) const { _mm256_storeu_pd(p, v); }
    friend SEQAE_INLINE Vec operator+(Vec a, Vec b) { return {_mm256_add_pd(a.v, b.v)}; }
    friend SEQAE_INLINE Vec operator-(Vec a, Vec b) { return {_mm256_sub_pd(a.v, b.v)}; }
    friend SEQAE_INLINE Vec operator*(Vec a, Vec b) { return {_mm256_mul_pd(a.v, b.v)}; }
    friend SEQAE_INLINE Vec operator/(Vec a, Vec b) { return {_mm256_div_pd(a.v, b.v)}; }
    friend SEQAE_INLINE Vec fma(Vec a, Vec b, Vec c) { return {_mm256_fmadd_pd(a.v, b.v, c.v)}; }
    friend SEQAE_INLINE Vec min(Vec a, Vec b) { return {_mm256_min_pd(a.v, b.v)}; }
    friend SEQAE_INLINE Vec max(Vec a, Vec b) { return {_mm256_max_pd(a.v, b.v)}; }
    friend SEQAE_INLINE Vec round(Vec a) { return {_mm256_round_pd(a.v, 8)}; }
    friend SEQAE_INLINE Vec scale(Vec x, Vec n) {
        const __m256i integral = _mm256_cvtepi32_epi64(_mm256_cvtpd_epi32(n.v));
        const __m256i exponent = _mm256_add_epi64(integral, _mm256_set1_epi64x(1023));
        return {_mm256_mul_pd(x.v, _mm256_castsi256_pd(_mm256_slli_epi64(exponent, 52)))};
    }
    friend SEQAE_INLINE Vec select(Mask m, Vec a, Vec b) { return {_mm256_blendv_pd(b.v, a.v, m)}; }
    friend SEQAE_INLINE Mask is_positive(Vec a) { return _mm256_cmp_pd(a.v, _mm256_setzero_pd(), _CMP_GT_OQ); }
    friend SEQAE_INLINE double sum(Vec a) {
        const __m128d s = _mm_add_pd(_mm256_castpd256_pd128(a.v), _mm256_extractf128_pd(a.v, 1));
        return _mm_cvtsd_f64(_mm_add_sd(s, _mm_unpackhi_pd(s, s)));
    }
};

#elif defined(SEQAE_NEON)
constexpr int block_units = 2;  // x 4 gates x 2 vectors = 16 of the 32 registers

template <>
struct Vec<float> {
    using Value = float;
    static constexpr int width = 4;
    using Mask = uint32x4_t;
    float32x4_t v;
    static SEQAE_INLINE Vec load(const float* p) { return {vld1q_f32(p)}; }
    static SEQAE_INLINE Vec broadcast(float x) { return {vdupq_n_f32(x)}; }
    static SEQAE_INLINE Mask first(int n) {
        const int32x4_t lane = {0, 1, 2, 3};
        return vcgtq_s32(vdupq_n_s32(n), lane);
    }
    SEQAE_INLINE void store(float* p) const { vst1q_f32(p, v); }
    friend SEQAE_INLINE Vec operator+(Vec a, Vec b) { return {vaddq_f32(a.v, b.v)}; }
    friend SEQAE_INLINE Vec operator-(Vec a, Vec b) { return {vsubq_f32(a.v, b.v)}; }
    friend SEQAE_INLINE Vec operator*(Vec a, Vec b) { return {vmulq_f32(a.v, b.v)}; }
    friend SEQAE_INLINE Vec operator/(Vec a, Vec b) { return {vdivq_f32(a.v, b.v)}; }
    friend SEQAE_INLINE Vec fma(Vec a, Vec b, Vec c) { return {vfmaq_f32(c.v, a.v, b.v)}; }
    friend SEQAE_INLINE Vec min(Vec a, Vec b) { return {vbslq_f32(vcltq_f32(a.v, b.v), a.v, b.v)}; }
    friend SEQAE_INLINE Vec max(Vec a, Vec b) { return {vbslq_f32(vcgtq_f32(a.v, b.v), a.v, b.v)}; }
    friend SEQAE_INLINE Vec round(Vec a) { return {vrndnq_f32(a.v)}; }
    friend SEQAE_INLINE Vec scale(Vec x, Vec n) {
        const int32x4_t exponent = vaddq_s32(vcvtnq_s32_f32(n.v), vdupq_n_s32(127));
        return {vmulq_f32(x.v, vreinterpretq_f32_s32(vshlq_n_s32(exponent, 23)))};
    }
    friend SEQAE_INLINE Vec select(Mask m, Vec a, Vec b) { return {vbslq_f32(m, a.v, b.v)}; }
    friend SEQAE_INLINE Mask is_positive(Vec a) { return vcgtq_f32(a.v, vdupq_n_f32(0)); }
    friend SEQAE_INLINE Mask is_greater(Vec a, Vec b) { return vcgtq_f32(a.v, b.v); }
    friend SEQAE_INLINE float sum(Vec a) { return vaddvq_f32(a.v); }
};

struct Tally {
    uint32x4_t n = vdupq_n_u32(0);
    SEQAE_INLINE void add(Vec<float>::Mask m) { n = vsubq_u32(n, m); }
    SEQAE_INLINE int total() const { return int(vaddvq_u32(n)); }
};

template <>
struct Vec<double> {
    using Value = double;
    static constexpr int width = 2;
    using Mask = uint64x2_t;
    float64x2_t v;
    static SEQAE_INLINE Vec load(const double* p) { return {vld1q_f64(p)}; }
    static SEQAE_INLINE Vec broadcast(double x) { return {vdupq_n_f64(x)}; }
    static SEQAE_INLINE Mask first(int n) {
        const int64x2_t lane = {0, 1};
        return vcgtq_s64(vdupq_n_s64(n), lane);
    }
    SEQAE_INLINE void store(double* p) const { vst1q_f64(p, v); }
    friend SEQAE_INLINE Vec operator+(Vec a, Vec b) { return {vaddq_f64(a.v, b.v)}; }
    friend SEQAE_INLINE Vec operator-(Vec a, Vec b) { return {vsubq_f64(a.v, b.v)}; }
    friend SEQAE_INLINE Vec operator*(Vec a, Vec b) { return {vmulq_f64(a.v, b.v)}; }
    friend SEQAE_INLINE Vec operator/(Vec a, Vec b) { return {vdivq_f64(a.v, b.v)}; }
    friend SEQAE_INLINE Vec fma(Vec a, Vec b, Vec c) { return {vfmaq_f64(c.v, a.v, b.v)}; }
    friend SEQAE_INLINE Vec min(Vec a, Vec b) { return {vbslq_f64(vcltq_f64(a.v, b.v), a.v, b.v)}; }
    friend SEQAE_INLINE Vec max(Vec a, Vec b) { return {vbslq_f64(vcgtq_f64(a.v, b.v), a.v, b.v)}; }
    friend SEQAE_INLINE Vec round(Vec a) { return {vrndnq_f64(a.v)}; }
    friend SEQAE_INLINE Vec scale(Vec x, Vec n) {
        const int64x2_t exponent = vaddq_s64(vcvtnq_s64_f64(n.v), vdupq_n_s64(1023));
        return {vmulq_f64(x.v, vreinterpretq_f64_s64(vshlq_n_s64(exponent, 52)))};
    }
    friend SEQAE_INLINE Vec select(Mask m, Vec a, Vec b) { return {vbslq_f64(m, a.v, b.v)}; }
    friend SEQAE_INLINE Mask is_positive(Vec a) { return vcgtq_f64(a.v, vdupq_n_f64(0)); }
    friend SEQAE_INLINE double sum(Vec a) { return vaddvq_f64(a.v); }
};

#else
constexpr int block_units = 1;

// Vectors that the compiler maps to whatever a CPU has: the products are rounded (a software fma would take hundreds of
// cycles).
template <class T>
struct Vec {
    using Value = T;
    static constexpr int width = 16 / sizeof(T);
    using Int = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
    typedef T Lanes __attribute__((vector_size(16)));
    typedef Int Mask __attribute__((vector_size(16)));
    Lanes v;
    static SEQAE_INLINE Vec load(const T* p) {
        Vec x;
        __builtin_memcpy(&x.v, p, sizeof x.v);
        return x;
    }
    static SEQAE_INLINE Vec broadcast(T x) { return {Lanes{} + x}; }
    static SEQAE_INLINE Mask first(int n) {
        Mask lane{};
        for (int i = 0; i < width; ++i) lane[i] = i;
        return lane < Mask{} + Int(n);
    }
    SEQAE_INLINE void store(T* p) const { __builtin_memcpy(p, &v, sizeof v); }
    friend SEQAE_INLINE Vec operator+(Vec a, Vec b) { return {a.v + b.v}; }
    friend SEQAE_INLINE Vec operator-(Vec a, Vec b) { return {a.v - b.v}; }
    friend SEQAE_INLINE Vec operator*(Vec a, Vec b) { return {a.v * b.v}; }
    friend SEQAE_INLINE Vec operator/(Vec a, Vec b) { return {a.v / b.v}; }
    friend SEQAE_INLINE Vec fma(Vec a, Vec b, Vec c) { return {a.v * b.v + c.v}; }
    friend SEQAE_INLINE Vec min(Vec a, Vec b) { return {a.v < b.v ? a.v : b.v}; }
    friend SEQAE_INLINE Vec max(Vec a, Vec b) { return {a.v > b.v ? a.v : b.v}; }
    friend SEQAE_INLINE Vec round(Vec a) {  // adding 1.5 * 2^(digits - 1) leaves no room for a fraction
        const T big = sizeof(T) == 4 ? T(0x1.8p23) : T(0x1.8p52);
        return {(a.v + big) - big};
    }
    friend SEQAE_INLINE Vec scale(Vec x, Vec n) {
        constexpr int digits = sizeof(T) == 4 ? 23 : 52, bias = sizeof(T) == 4 ? 127 : 1023;
        const Mask is_number = n.v == n.v;
        const Mask exponent = (__builtin_convertvector(is_number ? n.v : Lanes{}, Mask) + bias) << digits;
        return {is_number ? x.v * Lanes(exponent) : n.v};
    }
    friend SEQAE_INLINE Vec select(Mask m, Vec a, Vec b) { return {m ? a.v : b.v}; }
    friend SEQAE_INLINE Mask is_positive(Vec a) { return a.v > Lanes{}; }
    friend SEQAE_INLINE Mask is_greater(Vec a, Vec b) { return a.v > b.v; }
    friend SEQAE_INLINE T sum(Vec a) {
        T total = a.v[0];
        for (int i = 1; i < width; ++i) total += a.v[i];
        return total;
    }
};

struct Tally {
    Vec<float>::Mask n{};
    SEQAE_INLINE void add(Vec<float>::Mask m) { n -= m; }
    SEQAE_INLINE int total() const { return n[0] + n[1] + n[2] + n[3]; }
};
#endif

template <class V, int G, int C, class T>
SEQAE_INLINE void add_sums(const V (&acc)[G][C], T* into, std::int64_t stride) {
#pragma GCC unroll 4
    for (int g = 0; g < G; ++g)
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c) into[g * stride + c] += sum(acc[g][c]);
}
