// Outputs of MiniRocket's kernels along one sequence, a lane for each step, and the share of them that exceeds a bias.
//
// Of the sum y of some channels, with y_k = y(t + (k - 4) dilation), 0 outside of the sequence:
//   S = (((y_0 + y_1) + (y_2 + y_3)) + ((y_4 + y_5) + (y_6 + y_7))) + y_8,   output = (3 y_a + 3 y_b) + (3 y_c - S)
// Additions and products alone, each rounded, so that all instruction sets and the reference count the same.

class Convolver {
public:
    Convolver(const ConvolutionProblem& p, float* room) : p_(p) {
        Arena<float> arena{room};
        const std::int64_t width_of_row = margin_ + round_up(p.longest, width) + margin_of(p.longest) + width;
        stride_ = round_up(width_of_row, width);
        rows_ = arena.take(stride_ * p.sequences.n_channels);
        sum_ = arena.take(stride_);
        sums_ = arena.take(block);
        table_ = arena.take(2 * n_taps * block);
        counts_ = reinterpret_cast<std::int64_t*>(arena.take(2 * p.n_features));
        n_taken = arena.n_taken;
    }

    void shares(std::int64_t i) {
        read(i);
        for (int f = 0; f < p_.n_features; ++f) counts_[f] = 0;
        each_group([&](const float* y, const KernelGroup& group) {
            for (std::int64_t t = 0; t < n_; t += block) count(y, group, t);
        });
        float* const out = p_.shares + i * p_.n_features;
        for (int f = 0; f < p_.n_features; ++f) out[f] = n_ ? float(double(counts_[f]) / double(n_)) : 0;
    }

    // first: the steps of the sequences before
    void outputs(std::int64_t i, std::int64_t first) {
        read(i);
        each_group([&](const float* y, const KernelGroup& group) {
            for (std::int64_t t = 0; t < n_; t += block) sample(y, group, t, first);
        });
    }

    std::int64_t n_taken = 0;

private:
    using V = Vec<float>;
    static constexpr int width = V::width;
    static constexpr std::int64_t block = 256;  // steps whose taps stay in the first cache
    static constexpr int enough_for_table = 12;  // comparisons

    // of zeros on each side: of n steps, a tap that lies further away than n need not
    std::int64_t margin_of(std::int64_t n) const {
        const std::int64_t furthest = n_taps / 2 * p_.largest_dilation;
        return furthest < n ? furthest : n;
    }

    float* row(int c) const { return rows_ + stride_ * c + margin_; }

    void read(std::int64_t i) {
        n_ = p_.sequences.lengths[i], nearby_ = margin_of(n_);
        for (int c = 0; c < p_.sequences.n_channels; ++c) {
            const Channel channel(p_.sequences, i, c);
            copy(channel, row(c));
            if (p_.is_standardised) standardise(channel, row(c));
            surround(row(c));
        }
        surround(sum_ + margin_);  // and it stays so, as the channels are 0 there
    }

    void standardise(const Channel& channel, float* x) const {
        const Moments moments(channel);
        if (moments.n == 0) return;
        const float mean = float(moments.mean), own = float(moments.deviation), scale = own > .01f ? own : .01f;
        for (std::int64_t t = 0; t < n_; ++t) x[t] = (x[t] - mean) / scale;
    }

    // zeros wherever a whole vector of taps may be read
    void surround(float* x) const {
        fill_zero(x - nearby_, nearby_);
        fill_zero(x + n_, nearby_ + width);
    }

    template <class F>
    void each_group(F f) {
        if (n_ == 0) return;
        for (const ChannelSet* set = p_.sets; set != p_.sets_end; ++set) {
            const float* const y = set->n_channels == 1 ? row(set->channels[0]) : add_up(*set);
            for (const KernelGroup* group = set->groups; group != set->groups_end; ++group) f(y, *group);
        }
    }

    const float* add_up(const ChannelSet& set) {
        float* const y = sum_ + margin_;
        for (std::int64_t t = 0; t < n_; t += width) {
            V total = V::load(row(set.channels[0]) + t);
            for (int k = 1; k < set.n_channels; ++k) total = total + V::load(row(set.channels[k]) + t);
            total.store(y + t);
        }
        return y;
    }

    // The taps of the kernels of one dilation, from a step on, and S of at most a block of steps; infinite beyond the last,
    // so that outputs there are -infinity.
    struct Taps {
        const float *of[n_taps], *sums;

        Taps(const float* y, std::int64_t dilation, std::int64_t nearby, std::int64_t n, float* room) : sums(room) {
            for (int k = 0; k < n_taps; ++k) {
                const std::int64_t shift = (k - n_taps / 2) * dilation;
                of[k] = y + (shift < -nearby ? -nearby : shift > nearby ? nearby : shift);
            }
            for (std::int64_t t = 0; t < n; t += width) {
                const auto at = [&](int k) { return V::load(of[k] + t); };
                ((((at(0) + at(1)) + (at(2) + at(3))) + ((at(4) + at(5)) + (at(6) + at(7)))) + at(8)).store(room + t);
            }
            for (std::int64_t t = n; t % width; ++t) room[t] = __builtin_inff();
        }
        SEQAE_INLINE V tripled(int k, std::int64_t t) const { return V::broadcast(3) * V::load(of[k] + t); }
        SEQAE_INLINE V less_sum(int k, std::int64_t t) const { return tripled(k, t) - V::load(sums + t); }
    };

    // The same looked up: for many kernels.
    struct Table {
        float* of;

        Table(const Taps& taps, std::int64_t n, float* room) : of(room) {
            for (std::int64_t t = 0; t < n; t += width)
#pragma GCC unroll 9
                for (int k = 0; k < n_taps; ++k) {
                    taps.tripled(k, t).store(of + k * block + t);
                    taps.less_sum(k, t).store(of + (n_taps + k) * block + t);
                }
        }
        SEQAE_INLINE V tripled(int k, std::int64_t t) const { return V::load(of + k * block + t); }
        SEQAE_INLINE V less_sum(int k, std::int64_t t) const { return tripled(n_taps + k, t); }
    };

    // of the steps from t on, at most a block
    void count(const float* y, const KernelGroup& group, std::int64_t t) {
        const std::int64_t n = n_ - t < block ? n_ - t : block;
        const Taps taps(y + t, group.dilation, nearby_, n, sums_);
        if (group.last - group.first < enough_for_table) count_with(taps, group, n);
        else
            count_with(Table(taps, n, table_), group, n);
    }

    template <class Parts>
    void count_with(const Parts& parts, const KernelGroup& group, std::int64_t n) {
        for (std::int32_t i = group.first; i < group.last; i += p_.comparisons[i].n_alike) {
            const Comparison* const alike = p_.comparisons + i;
            switch (alike->n_alike) {
                case 1: count_alike<1>(parts, alike, n); break;
                case 2: count_alike<2>(parts, alike, n); break;
                case 3: count_alike<3>(parts, alike, n); break;
                default: count_alike<most_alike>(parts, alike, n);
            }
        }
    }

    template <int M, class Parts>
    SEQAE_INLINE void count_alike(const Parts& parts, const Comparison* alike, std::int64_t n) {
        V bias[M];
        Tally tallies[M];
        for (int m = 0; m < M; ++m) bias[m] = V::broadcast(alike[m].bias);
        for (std::int64_t t = 0; t < n; t += width) {
            const V shared = parts.tripled(alike->taps[0], t) + parts.tripled(alike->taps[1], t);
#pragma GCC unroll 4
            for (int m = 0; m < M; ++m)
                tallies[m].add(is_greater(shared + parts.less_sum(alike[m].taps[2], t), bias[m]));
        }
        for (int m = 0; m < M; ++m) counts_[alike[m].feature] += tallies[m].total();
    }

    // writes those outputs of the steps from t on, at most a block, whose turn it is
    void sample(const float* y, const KernelGroup& group, std::int64_t t, std::int64_t first) {
        const std::int64_t n = n_ - t < block ? n_ - t : block, from = first + t;
        const std::int64_t begin = first_sample(from);
        const Taps taps(y + t, group.dilation, nearby_, n, sums_);
        for (std::int32_t i = group.first; i < group.last; ++i) {
            const Comparison& kernel = p_.comparisons[i];
            float outputs[block];
            for (std::int64_t s = 0; s < n; s += width) {
                const V shared = taps.tripled(kernel.taps[0], s) + taps.tripled(kernel.taps[1], s);
                (shared + taps.less_sum(kernel.taps[2], s)).store(outputs + s);
            }
            float* const out = p_.outputs + kernel.feature * p_.n_samples;
            for (std::int64_t k = begin; k < p_.n_samples && p_.samples[k] < from + n; ++k) out[k] = outputs[p_.samples[k] - from];
        }
    }

    // of those from a step on
    std::int64_t first_sample(std::int64_t step) const {
        std::int64_t low = 0, high = p_.n_samples;
        while (low < high) {
            const std::int64_t middle = (low + high) / 2;
            if (p_.samples[middle] < step) low = middle + 1;
            else
                high = middle;
        }
        return low;
    }

    const ConvolutionProblem& p_;
    const std::int64_t margin_ = round_up(margin_of(p_.longest), width);
    std::int64_t stride_ = 0, n_ = 0, nearby_ = 0;  // n_, nearby_: of the sequence at hand
    float *rows_, *sum_, *sums_, *table_;
    std::int64_t* counts_;
};

// f(convolver, i) for each sequence
template <class F>
void each_convolved(const ConvolutionProblem& p, int n_threads, F f) {
    const std::int64_t room = Convolver(p, nullptr).n_taken, n_workers = p.sequences.n < n_threads ? p.sequences.n : n_threads;
    const Block memory(room * n_workers * sizeof(float));
    each_sequence(p.sequences.n, n_threads, [&](std::int64_t i, int worker) {
        Convolver convolver(p, memory.as<float>() + room * worker);
        f(convolver, i);
    });
}

inline void convolution_shares(const ConvolutionProblem& p, int n_threads) {
    each_convolved(p, n_threads, [](Convolver& convolver, std::int64_t i) { convolver.shares(i); });
}

inline void convolution_outputs(const ConvolutionProblem& p, int n_threads) {
    const Block memory((p.sequences.n + 1) * sizeof(std::int64_t));
    std::int64_t* const firsts = memory.as<std::int64_t>();  // steps of the sequences before each
    firsts[0] = 0;
    for (std::int64_t i = 0; i < p.sequences.n; ++i) firsts[i + 1] = firsts[i] + p.sequences.lengths[i];
    each_convolved(p, n_threads, [&](Convolver& convolver, std::int64_t i) { convolver.outputs(i, firsts[i]); });
}
