// Channels of one sequence: moments, what is missing filled in, statistics. Sums are in float64, in the order of the steps.

// f(i, worker) for each sequence, neighbours in one job where there are many
template <class F>
void each_sequence(std::int64_t n, int n_threads, F f) {
    constexpr std::int64_t most_jobs = 1 << 16;
    const int n_jobs = int(n < most_jobs ? n : most_jobs);
    parallel_for(n_jobs, n_threads, [&](int job, int worker) {
        for (std::int64_t i = n * job / n_jobs; i < n * (job + 1) / n_jobs; ++i) f(i, worker);
    });
}

// One channel of one sequence where it lies, a value every `stride`.
struct Channel {
    const float* values;
    const bool* observed;  // null: all
    std::int64_t n, stride;

    Channel(const Sequences& s, std::int64_t i, int c)
        : values(s.values + s.starts[i] * s.n_channels + c),
          observed(s.observed ? s.observed + s.starts[i] * s.n_channels + c : nullptr),
          n(s.lengths[i]),
          stride(s.n_channels) {}
    float operator[](std::int64_t t) const { return values[t * stride]; }
    bool has(std::int64_t t) const { return !observed || observed[t * stride]; }
};

struct Moments {
    std::int64_t n = 0;  // observed values
    double mean = 0, deviation = 0;

    explicit Moments(const Channel& x) {
        double total = 0, spread = 0;
        for (std::int64_t t = 0; t < x.n; ++t)
            if (x.has(t)) total += x[t], ++n;
        if (n == 0) return;
        mean = total / double(n);
        for (std::int64_t t = 0; t < x.n; ++t)
            if (x.has(t)) spread += (x[t] - mean) * (x[t] - mean);
        deviation = std::sqrt(spread / double(n));
    }
};

// out[t] = the channel, with missing values on the line between their neighbours, or like the nearest at an end
inline void fill_in(const Channel& x, float* out) {
    std::int64_t known = -1;  // the last observed step
    for (std::int64_t t = 0; t < x.n; ++t) {
        if (!x.has(t)) continue;
        const float left = known < 0 ? x[t] : x[known], rise = x[t] - left, gap = float(t - known);
        for (std::int64_t s = known + 1; s < t; ++s) out[s] = known < 0 ? x[t] : left + float(s - known) / gap * rise;
        out[t] = x[t], known = t;
    }
    for (std::int64_t s = known + 1; s < x.n; ++s) out[s] = known < 0 ? 0 : out[known];
}

inline void copy(const Channel& x, float* out) {
    if (x.observed) return fill_in(x, out);
    for (std::int64_t t = 0; t < x.n; ++t) out[t] = x[t];
}

// mean, deviation, minimum, maximum, first, last of a channel, n_channels apart
inline void describe(const Channel& x, float* out) {
    const Moments moments(x);
    for (int kind = 0; kind < 6; ++kind) out[kind * x.stride] = 0;
    if (moments.n == 0) return;
    std::int64_t first = 0, last = x.n - 1;
    while (!x.has(first)) ++first;
    while (!x.has(last)) --last;
    float lowest = x[first], highest = x[first];
    for (std::int64_t t = first; t <= last; ++t)
        if (x.has(t)) lowest = x[t] < lowest ? x[t] : lowest, highest = x[t] > highest ? x[t] : highest;
    const float of_kind[] = {float(moments.mean), float(moments.deviation), lowest + 0, highest + 0, x[first], x[last]};
    for (int kind = 0; kind < 6; ++kind) out[kind * x.stride] = of_kind[kind];
}

inline void statistics(const StatisticsProblem& p, int n_threads) {
    const int n_channels = p.sequences.n_channels, n_columns = 6 * n_channels + 1;
    each_sequence(p.sequences.n, n_threads, [&](std::int64_t i, int) {
        float* const row = p.out + i * n_columns;
        for (int c = 0; c < n_channels; ++c) describe(Channel(p.sequences, i, c), row + c);
        row[n_columns - 1] = float(p.sequences.lengths[i]);
    });
}
