// Curves on a grid of relative time, its first point at a sequence's first step and its last at the last, in float64.

// Where `n` readers lie among `n_points` points, one after the other: reader t at t (n_points - 1) / (n - 1), a single
// one in the middle. In whole numbers, so that only the weight is rounded, once.
class Places {
public:
    std::int64_t point = 0;  // before the reader
    double weight = 0;       // of the point after it

    Places(std::int64_t n, std::int64_t n_points)
        : last_point_(n_points > 1 ? n_points - 2 : 0), denominator_(n > 1 ? n - 1 : 2),
          whole_((n_points - 1) / denominator_), part_((n_points - 1) % denominator_) {
        if (n == 1) place_ = whole_, rest_ = part_;
        look();
    }

    void next() {
        place_ += whole_, rest_ += part_;
        if (rest_ >= denominator_) ++place_, rest_ -= denominator_;
        look();
    }

private:
    void look() {
        point = place_ < last_point_ ? place_ : last_point_;
        weight = double(rest_ + (place_ - point) * denominator_) / double(denominator_);
    }

    const std::int64_t last_point_, denominator_, whole_, part_;
    std::int64_t place_ = 0, rest_ = 0;
};

// f(row of values, point, weight) for each step of sequence i
template <class F>
void each_step(const CurveProblem& p, std::int64_t i, F f) {
    const std::int64_t n = p.sequences.lengths[i];
    Places places(n, p.n_points);
    for (std::int64_t t = 0; t < n; ++t, places.next()) f(t, places.point, places.weight);
}

// distance from a point to the one after it; 0 where there is but one
inline std::int64_t to_following(const CurveProblem& p) { return p.n_points > 1 ? p.sequences.n_channels : 0; }

// curve of sequence i, all zeros
inline double* cleared(double* curves, std::int64_t i, std::int64_t n_values) {
    double* const curve = curves + i * n_values;
    for (std::int64_t k = 0; k < n_values; ++k) curve[k] = 0;
    return curve;
}

inline void grid_read(const CurveProblem& p, int n_threads) {
    const Sequences& s = p.sequences;
    const std::int64_t C = s.n_channels, following = to_following(p);
    each_sequence(s.n, n_threads, [&](std::int64_t i, int) {
        double* const curve = cleared(p.curves, i, p.n_points * C);
        each_step(p, i, [&](std::int64_t t, std::int64_t point, double weight) {
            const std::int64_t row = (s.starts[i] + t) * C;
            for (std::int64_t c = 0; c < C; ++c) {
                if (s.observed && !s.observed[row + c]) continue;
                double* const before = curve + point * C + c;
                const double x = s.values[row + c];
                before[following] += weight * x;
                before[0] += (1 - weight) * x;
            }
        });
    });
}

inline void grid_gram(const CurveProblem& p, int n_threads) {
    const Sequences& s = p.sequences;
    const std::int64_t C = s.n_channels, following = to_following(p);
    each_sequence(s.n, n_threads, [&](std::int64_t i, int) {
        double* const diagonal = cleared(p.curves, i, p.n_points * C);
        double* const beside = cleared(p.beside, i, (p.n_points - 1) * C);
        each_step(p, i, [&](std::int64_t t, std::int64_t point, double weight) {
            for (std::int64_t c = 0; c < C; ++c) {
                if (s.observed && !s.observed[(s.starts[i] + t) * C + c]) continue;
                double* const before = diagonal + point * C + c;
                before[following] += weight * weight;
                before[0] += (1 - weight) * (1 - weight);
                if (following) beside[point * C + c] += (1 - weight) * weight;
            }
        });
    });
}

inline void grid_write(const CurveProblem& p, int n_threads) {
    const std::int64_t C = p.sequences.n_channels, following = to_following(p);
    each_sequence(p.sequences.n, n_threads, [&](std::int64_t i, int) {
        const double* const curve = p.curves + i * p.n_points * C;
        float* out = p.steps + p.firsts[i] * C;
        each_step(p, i, [&](std::int64_t, std::int64_t point, double weight) {
            const double* const before = curve + point * C;
            for (std::int64_t c = 0; c < C; ++c) out[c] = float((1 - weight) * before[c] + weight * before[c + following]);
            out += C;
        });
    });
}

// each sequence, what is missing filled in, as a curve that is read at n_points
inline void resample(const CurveProblem& p, int n_threads) {
    const Sequences& s = p.sequences;
    std::int64_t longest = 0;
    for (std::int64_t i = 0; i < s.n; ++i) longest = s.lengths[i] > longest ? s.lengths[i] : longest;
    const Block memory(longest * n_threads * sizeof(float));
    each_sequence(s.n, n_threads, [&](std::int64_t i, int worker) {
        const std::int64_t C = s.n_channels, n = s.lengths[i];
        double* const curve = cleared(p.curves, i, p.n_points * C);
        float* const steps = memory.as<float>() + longest * worker;
        for (int c = 0; c < C && n > 0; ++c) {
            copy(Channel(s, i, c), steps);
            Places places(p.n_points, n);
            for (std::int64_t k = 0; k < p.n_points; ++k, places.next()) {
                const double before = steps[places.point], after = steps[places.point + (n > 1)];
                curve[k * C + c] = (1 - places.weight) * before + places.weight * after;
            }
        }
    });
}
