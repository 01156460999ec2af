// exp, the logistic function and tanh on vectors: within 2 units in the last place, saturating, NaN for NaN.
// exp(u) = 2^n exp(r) with n = round(u / ln 2), |r| <= ln(2) / 2, and a minimax (float) or Taylor (double) polynomial.

template <class T>
struct Exponential;

template <>
struct Exponential<float> {
#ifdef SEQAE_SCALAR
    static constexpr float ln2_high = 0x1.63p-1f, ln2_low = -0x1.bd0106p-13f;  // n * ln2_high is exact without an fma
#else
    static constexpr float ln2_high = 0x1.62e43p-1f, ln2_low = 0;  // |n| * (ln 2 - ln2_high) stays below an ulp
#endif
    static constexpr float log2e = 0x1.715476p+0f;
    static constexpr float largest = 87, saturated = 9.2f;  // beyond: exp leaves the normal numbers; tanh rounds to 1
    static constexpr int degree = 5;
    static constexpr float of_exp[] = {1.0000001f, 0.9999997f, 0.4999889f, 0.16667576f, 0.04191563f, 0.008297601f};
    // (exp(r) - 1) / r
    static constexpr float of_expm1[] = {1.f, 0.49999997f, 0.16666506f, 0.041667137f, 0.008369104f, 0.001388885f};
};

template <>
struct Exponential<double> {
    static constexpr double ln2_high = 0x1.62e42feep-1, ln2_low = 0x1.a39ef35793c76p-33;  // n * ln2_high is exact
    static constexpr double log2e = 0x1.71547652b82fep+0;
    static constexpr double largest = 708, saturated = 19.5;
    static constexpr int degree = 13;
    static constexpr double of_exp[] = {1.,          1.,           1. / 2,         1. / 6,         1. / 24,
                                        1. / 120,    1. / 720,     1. / 5040,      1. / 40320,     1. / 362880,
                                        1. / 3628800, 1. / 39916800, 1. / 479001600, 1. / 6227020800};
    static constexpr double of_expm1[] = {1.,           1. / 2,      1. / 6,        1. / 24,         1. / 120,
                                          1. / 720,     1. / 5040,   1. / 40320,    1. / 362880,     1. / 3628800,
                                          1. / 39916800, 1. / 479001600, 1. / 6227020800, 1. / 87178291200};
};

// u = n ln 2 + r
template <class V>
SEQAE_INLINE V reduce(V u, V& n) {
    using E = Exponential<typename V::Value>;
    n = round(u * V::broadcast(E::log2e));
    const V r = fma(n, V::broadcast(-E::ln2_high), u);
    return E::ln2_low == 0 ? r : fma(n, V::broadcast(-E::ln2_low), r);
}

template <class V>
SEQAE_INLINE V polynomial(const typename V::Value* coefficients, V r) {
    constexpr int degree = Exponential<typename V::Value>::degree;
    V p = V::broadcast(coefficients[degree]);
#pragma GCC unroll 16
    for (int k = degree - 1; k >= 0; --k) p = fma(p, r, V::broadcast(coefficients[k]));
    return p;
}

// min and max return their second argument where one is NaN: bounds come first, so that NaN passes
template <class V>
SEQAE_INLINE V clamp(V x, typename V::Value bound) {
    return max(V::broadcast(-bound), min(V::broadcast(bound), x));
}

template <class V>
SEQAE_INLINE V exponential(V x) {
    using E = Exponential<typename V::Value>;
    V n;
    const V r = reduce(clamp(x, E::largest), n);
    return scale(polynomial(E::of_exp, r), n);
}

template <class V>
SEQAE_INLINE V sigmoid(V x) {
    const V one = V::broadcast(1);
    return one / (one + exponential(V::broadcast(0) - x));
}

// (exp(2x) - 1) / (exp(2x) + 1), with exp(2x) - 1 = 2^n (exp(r) - 1) + (2^n - 1) so that small x keep their digits
template <class V>
SEQAE_INLINE V tanh(V x) {
    using E = Exponential<typename V::Value>;
    V n;
    x = clamp(x, E::saturated);
    const V r = reduce(x + x, n);
    const V power = scale(V::broadcast(1), n);
    const V less_one = fma(power, r * polynomial(E::of_expm1, r), power - V::broadcast(1));
    return less_one / (less_one + V::broadcast(2));
}

struct Tanh {
    template <class V>
    static SEQAE_INLINE V of(V x) {
        return tanh(x);
    }
    template <class V>  // in terms of y = tanh(x)
    static SEQAE_INLINE V derivative(V y) {
        return fma(V::broadcast(0) - y, y, V::broadcast(1));
    }
};

struct Relu {
    template <class V>
    static SEQAE_INLINE V of(V x) {
        return max(V::broadcast(0), x);
    }
    template <class V>
    static SEQAE_INLINE V derivative(V y) {
        return select(is_positive(y), V::broadcast(1), V::broadcast(0));
    }
};
