// Operations of a training step around the recurrence, each in one pass: scaling, loss with its gradient, Adam.

constexpr std::int64_t values_per_job = 1 << 14;  // fewer take less time than waking another thread

// f(first, last) for ranges of n items that hold n_values together, on several threads where there is enough to do
template <class F>
void each_range(std::int64_t n, std::int64_t n_values, int n_threads, F f) {
    const std::int64_t enough = n_values / values_per_job + 1;
    const int n_jobs = int(enough < n ? enough : n);
    parallel_for(n_jobs, n_threads, [&](int i, int) { f(n * i / n_jobs, n * (i + 1) / n_jobs); });
}

// Scaling of rows: vector after vector, as the channels repeat.
template <class T>
class Scaler {
public:
    explicit Scaler(const GatherProblem<T>& p) : p_(p), memory_(2 * p.n_channels * width * sizeof(T)) {
        const int C = p.n_channels;
        centres_ = memory_.template as<T>(), scales_ = centres_ + C * width;
        for (int i = 0; i < C * width; ++i) centres_[i] = p.centre[i % C], scales_[i] = p.scale[i % C];
    }

    // of the sequence's rows, to those from row first on
    void run(std::int64_t sequence, std::int64_t first) const {
        const std::int64_t C = p_.n_channels, n = p_.lengths[sequence] * C, from = p_.starts[sequence] * C, to = first * C;
        scale(p_.values + from, p_.out + to, n);
        if (p_.observed) mask(p_.observed + from, p_.observed_out + to, p_.out + to, n);
    }

private:
    using V = Vec<T>;
    static constexpr int width = V::width;

    void scale(const T* values, T* out, std::int64_t n) const {
        const int C = p_.n_channels;
        std::int64_t i = 0;
        for (int at = 0; i + width <= n; i += width, at = at + width == C * width ? 0 : at + width)
            ((V::load(values + i) - V::load(centres_ + at)) / V::load(scales_ + at)).store(out + i);
        for (; i < n; ++i) out[i] = (values[i] - p_.centre[i % C]) / p_.scale[i % C];
    }

    static void mask(const bool* observed, bool* observed_out, T* out, std::int64_t n) {
        for (std::int64_t i = 0; i < n; ++i) {
            observed_out[i] = observed[i];
            if (!observed[i]) out[i] = 0;
        }
    }

    const GatherProblem<T>& p_;
    const Block memory_;
    T *centres_, *scales_;
};

// out = (values - centre) / scale of each sequence's rows, back to back; 0 where not observed.
template <class T>
void gather(const GatherProblem<T>& p, int n_threads) {
    const Scaler<T> scaler(p);
    const Block memory((p.n_sequences + 1) * sizeof(std::int64_t));
    std::int64_t* const firsts = memory.as<std::int64_t>();
    firsts[0] = 0;
    for (std::int64_t i = 0; i < p.n_sequences; ++i) firsts[i + 1] = firsts[i] + p.lengths[i];
    each_range(p.n_sequences, firsts[p.n_sequences] * p.n_channels, n_threads, [&](std::int64_t first, std::int64_t last) {
        for (std::int64_t i = first; i < last; ++i) scaler.run(i, firsts[i]);
    });
}

// out = weight x + bias + amount * direction for each row x alone: lanes are outputs, k ascends, so that a row's bits are its own.
template <class T>
void linear(const LinearProblem<T>& p) {
    using V = Vec<T>;
    constexpr int width = V::width;
    const int n_ready = p.is_transposed ? p.n_outputs / width * width : 0;  // rows that lie side by side as they are
    const auto weights_at = [&](int k) {
        return p.is_transposed ? columns_of(p.weight + n_ready, p.n_outputs)(k) : rows_of(p.weight, p.n_inputs)(k);
    };
    const Block memory((round_up(p.n_outputs - n_ready, width) * p.n_inputs + 64) * sizeof(T));
    Arena<T> arena{memory.as<T>()};
    const T* const packed = pack_vectors(arena, p.n_outputs - n_ready, p.n_inputs, weights_at);
    for (std::int64_t i = 0; i < p.n; ++i)
        for (int row = 0; row < p.n_outputs; row += width) {
            const int n_rows = p.n_outputs - row < width ? p.n_outputs - row : width;
            const bool is_ready = row < n_ready;
            const T* w = is_ready ? p.weight + row : packed + std::int64_t(row - n_ready) * p.n_inputs;
            const std::int64_t stride = is_ready ? p.n_outputs : width;
            T sums[width] = {};
            for (int r = 0; r < n_rows; ++r)
                sums[r] = p.amounts ? p.bias[row + r] + p.amounts[i] * p.direction[row + r] : p.bias[row + r];
            V acc = V::load(sums);
            for (int k = 0; k < p.n_inputs; ++k, w += stride)
                acc = fma(V::load(w), V::broadcast(p.x[i * p.n_inputs + k]), acc);
            acc.store(sums);
            for (int r = 0; r < n_rows; ++r) p.out[i * p.n_outputs + row + r] = sums[r];
        }
}

// Loss of each value and its derivative with respect to the prediction x. target: t.
struct SquaredError {
    template <class V>
    static SEQAE_INLINE V of(V x, V t, V& slope) {
        const V d = x - t;
        slope = d + d;
        return d * d;
    }
};

struct AbsoluteError {
    template <class V>
    static SEQAE_INLINE V of(V x, V t, V& slope) {
        const V d = x - t, zero = V::broadcast(0), one = V::broadcast(1);
        slope = select(is_positive(d), one, select(is_positive(zero - d), zero - one, d));
        return d * slope;
    }
};

struct HuberError {
    template <class V>
    static SEQAE_INLINE V of(V x, V t, V& slope) {
        const V d = x - t, half = V::broadcast(.5);
        slope = clamp(d, decltype(sum(d))(1));
        return slope * (d - half * slope);
    }
};

// max(x, 0) - x t + log(1 + exp(-|x|)), with log(1 + e) = 2 atanh(e / (2 + e)) as a series
struct LogisticLoss {
    template <class T>
    static SEQAE_INLINE Vec<T> of(Vec<T> x, Vec<T> t, Vec<T>& slope) {
        using V = Vec<T>;
        constexpr int n_terms = sizeof(T) == 4 ? 8 : 17;
        const V zero = V::broadcast(0), probability = sigmoid(x);
        V n;
        const V r = reduce(clamp(min(x, zero - x), Exponential<T>::largest), n);
        const V e = scale(polynomial(Exponential<T>::of_exp, r), n);
        const V s = e / (e + V::broadcast(2)), square = s * s;
        V series = V::broadcast(T(1) / (2 * n_terms + 1));
#pragma GCC unroll 17
        for (int k = n_terms - 1; k >= 0; --k) series = fma(series, square, V::broadcast(T(1) / (2 * k + 1)));
        slope = probability - t;
        return fma(zero - x, t, max(zero, x)) + (s + s) * series;
    }
};

// The sum of one sequence's losses; gradient = slope * weight. n values, of which some may not be observed.
template <class Loss, class T>
double add_losses(const T* prediction, const T* target, const bool* observed, std::int64_t n, T weight, T* gradient) {
    using V = Vec<T>;
    constexpr int width = V::width, block = 64;  // vectors summed in T before they are added in double
    double total = 0;
    for (std::int64_t i = 0; i < n;) {
        V sums = V::broadcast(0);
        for (int k = 0; k < block && i < n; ++k, i += width) {
            V slope;
            if (!observed && i + width <= n) {
                sums = sums + Loss::of(V::load(prediction + i), V::load(target + i), slope);
                (slope * V::broadcast(weight)).store(gradient + i);
                continue;
            }
            T x[width] = {}, t[width] = {}, counted[width] = {}, out[width];
            const int m = int(n - i < width ? n - i : width);
            for (int j = 0; j < m; ++j)
                if (!observed || observed[i + j]) x[j] = prediction[i + j], t[j] = target[i + j], counted[j] = 1;
            sums = sums + Loss::of(V::load(x), V::load(t), slope) * V::load(counted);
            (slope * V::broadcast(weight) * V::load(counted)).store(out);
            for (int j = 0; j < m; ++j) gradient[i + j] = out[j];
        }
        total += sum(sums);
    }
    return total;
}

inline std::int64_t count(const bool* observed, std::int64_t n) {
    if (!observed) return n;
    std::int64_t counted = 0;
    for (std::int64_t i = 0; i < n; ++i) counted += observed[i];
    return counted;
}

// A part of a sequence's values. A sequence has as many as its length needs, so that sums do not depend on the threads.
struct Part {
    std::int64_t first, n;
    double share, total;  // weight of each loss in the mean; their sum
};

// parts of n values from first on; returns the place after the last
inline Part* add_parts(Part* next, std::int64_t first, std::int64_t n, double share) {
    for (; n > 0; first += values_per_job, n -= values_per_job)
        *next++ = {first, n < values_per_job ? n : values_per_job, share, 0};
    return next;
}

template <class Loss, class T>
double mean_loss_of(const LossProblem<T>& p, int n_threads) {
    std::int64_t n_values = 0, at = 0;
    for (std::int64_t s = 0; s < p.n_sequences; ++s) n_values += p.lengths[s] * p.n_channels;
    std::int64_t n_observed = p.per_sequence ? 0 : count(p.observed, n_values);
    const Block memory((p.n_sequences + n_values / values_per_job) * sizeof(Part));
    Part *const parts = memory.as<Part>(), *end = parts;
    for (std::int64_t s = 0; s < p.n_sequences; ++s) {
        const std::int64_t n = p.lengths[s] * p.n_channels;
        if (p.per_sequence) n_observed = count(p.observed ? p.observed + at : nullptr, n);
        const double share = 1. / (n_observed > 1 ? n_observed : 1) / (p.per_sequence ? p.n_sequences : 1);
        end = add_parts(end, at, n, share);
        at += n;
    }
    each_range(end - parts, n_values, n_threads, [&](std::int64_t first, std::int64_t last) {
        for (Part* part = parts + first; part < parts + last; ++part)
            part->total = add_losses<Loss>(p.prediction + part->first, p.target + part->first,
                                           p.observed ? p.observed + part->first : nullptr, part->n, T(part->share),
                                           p.gradient + part->first);
    });
    double mean = 0;
    for (const Part* part = parts; part < end; ++part) mean += part->share * part->total;
    return mean;
}

template <class T>
double mean_loss(const LossProblem<T>& p, int n_threads) {
    switch (p.kind) {
        case LossKind::mse: return mean_loss_of<SquaredError>(p, n_threads);
        case LossKind::mae: return mean_loss_of<AbsoluteError>(p, n_threads);
        case LossKind::huber: return mean_loss_of<HuberError>(p, n_threads);
        default: return mean_loss_of<LogisticLoss>(p, n_threads);
    }
}

inline float square_root(float x) { return __builtin_sqrtf(x); }
inline double square_root(double x) { return __builtin_sqrt(x); }

template <class T>
double sum_of_squares(const T* values, std::int64_t n) {
    constexpr int n_sums = 16;
    double sums[n_sums] = {}, total = 0;
    std::int64_t i = 0;
    for (; i + n_sums <= n; i += n_sums)
        for (int k = 0; k < n_sums; ++k) sums[k] += double(values[i + k]) * double(values[i + k]);
    for (int k = 0; i < n; ++i, ++k) sums[k] += double(values[i]) * double(values[i]);
    for (int k = 0; k < n_sums; ++k) total += sums[k];
    return total;
}

template <class T>
void update(const AdamProblem<T>& p, T clip, std::int64_t begin, std::int64_t end) {
    const T rate = T(p.learning_rate / p.corrections[0]);
    const T fresh1 = T(1 - p.betas[0]), beta2 = T(p.betas[1]), fresh2 = T(1 - p.betas[1]), epsilon = T(p.epsilon);
    const T correction2 = T(p.corrections[1]);
    const T* __restrict const gradient = p.gradient;
    T* __restrict const parameters = p.parameters;
    T *__restrict const first = p.first, *__restrict const second = p.second;
    for (std::int64_t k = begin; k < end; ++k) {
        const T g = gradient[k] * clip;
        first[k] += fresh1 * (g - first[k]);
        second[k] = beta2 * second[k] + fresh2 * g * g;
        const T denominator = square_root(second[k] / correction2) + epsilon;
        parameters[k] -= rate * (first[k] / denominator);
    }
}

// Returns the norm of the gradient; updates nothing where it is not finite.
template <class T>
double adam_step(const AdamProblem<T>& p, int n_threads) {
    const std::int64_t n_parts = p.n / values_per_job + 1;
    const Block memory(n_parts * sizeof(double));
    double* const totals = memory.as<double>();
    const auto each_part = [&](auto f) {
        each_range(n_parts, p.n, n_threads, [&](std::int64_t first, std::int64_t last) {
            for (std::int64_t i = first; i < last; ++i)
                f(i, i * values_per_job, i + 1 < n_parts ? (i + 1) * values_per_job : p.n);
        });
    };
    each_part([&](std::int64_t i, std::int64_t first, std::int64_t last) {
        totals[i] = sum_of_squares(p.gradient + first, last - first);
    });
    double total = 0;
    for (std::int64_t i = 0; i < n_parts; ++i) total += totals[i];
    const double norm = __builtin_sqrt(total);
    if (!__builtin_isfinite(norm)) return norm;
    const T clip = T(p.max_norm > 0 && norm > p.max_norm ? p.max_norm / norm : 1);
    each_part([&](std::int64_t, std::int64_t first, std::int64_t last) { update(p, clip, first, last); });
    return norm;
}
