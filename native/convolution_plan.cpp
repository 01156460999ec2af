#include "convolution_plan.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>
#include <utility>

namespace seqae {
namespace {

using Taps = std::array<std::int8_t, 3>;

// of each kernel, those that weigh 2, in lexicographic order
constexpr std::array<Taps, n_kernels> taps_of_kernels = [] {
    std::array<Taps, n_kernels> all{};
    int kernel = 0;
    for (std::int8_t a = 0; a < n_taps; ++a)
        for (std::int8_t b = a + 1; b < n_taps; ++b)
            for (std::int8_t c = b + 1; c < n_taps; ++c) all[kernel++] = {a, b, c};
    return all;
}();

// Numbers the sets of channels that kernels read, in the order in which they are met.
class SetNumbers {
public:
    SetNumbers(std::int64_t n_kernels, int n_channels) : n_channels_(n_channels) {
        std::size_t n_slots = 16;
        while (n_slots < std::size_t(2 * n_kernels)) n_slots *= 2;
        slots_.assign(n_slots, -1);
    }

    std::int32_t of(const bool* channels) {
        std::size_t slot = hash_of(channels) & (slots_.size() - 1);
        for (; slots_[slot] >= 0; slot = (slot + 1) & (slots_.size() - 1))
            if (std::memcmp(sets[slots_[slot]], channels, n_channels_) == 0) return slots_[slot];
        sets.push_back(channels);
        return slots_[slot] = std::int32_t(sets.size()) - 1;
    }

    std::vector<const bool*> sets;

private:
    std::size_t hash_of(const bool* channels) const {
        std::uint64_t hash = 0;
        for (int c = 0; c < n_channels_; c += 8) {
            std::uint64_t some = 0;
            std::memcpy(&some, channels + c, std::min(8, n_channels_ - c));
            hash = (hash ^ some) * 0x9e3779b97f4a7c15;
            hash ^= hash >> 29;
        }
        return std::size_t(hash);
    }

    const int n_channels_;
    std::vector<std::int32_t> slots_;
};

class Planner {
public:
    explicit Planner(const Convolutions& of) : of_(of) {}

    // compare(planner, dilation, kernel): adds the comparisons of one kernel
    template <class Compare>
    ConvolutionPlan run(std::int64_t n_comparisons, Compare compare) {
        const std::int64_t n = of_.n_dilations * n_kernels;
        SetNumbers numbers(n, of_.n_channels);
        std::vector<std::int32_t> set(n);
        for (std::int64_t i = 0; i < n; ++i) set[i] = numbers.of(of_.channels + i * of_.n_channels);
        plan_.comparisons.reserve(n_comparisons);
        const std::vector<std::int32_t> order = by_set(set, numbers.sets.size());
        for (std::int64_t i = 0; i < n; ++i) {
            const std::int32_t dilation = order[i] / n_kernels;
            const bool is_set = i == 0 || set[order[i]] != set[order[i - 1]];
            if (is_set) begin_set(numbers.sets[set[order[i]]]);
            if (is_set || dilation != order[i - 1] / n_kernels) begin_group(dilation);
            compare(*this, dilation, order[i] % n_kernels);
        }
        close();
        return std::move(plan_);
    }

    void add(int kernel, float bias, std::int64_t feature) {
        const Taps& taps = taps_of_kernels[kernel];
        plan_.comparisons.push_back({bias, std::int32_t(feature), {taps[0], taps[1], taps[2]}, 1});
        plan_.groups.back().last = n_comparisons();
    }

private:
    std::int32_t n_comparisons() const { return std::int32_t(plan_.comparisons.size()); }

    // kernels, those of one set together, in their order
    static std::vector<std::int32_t> by_set(const std::vector<std::int32_t>& set, std::size_t n_sets) {
        std::vector<std::int32_t> next(n_sets + 1, 0), order(set.size());
        for (const std::int32_t s : set) ++next[s + 1];
        std::partial_sum(next.begin(), next.end(), next.begin());
        for (std::size_t i = 0; i < set.size(); ++i) order[next[set[i]]++] = std::int32_t(i);
        return order;
    }

    void begin_set(const bool* channels) {
        first_channels_.push_back(plan_.channels.size());
        first_groups_.push_back(plan_.groups.size());
        for (int c = 0; c < of_.n_channels; ++c)
            if (channels[c]) plan_.channels.push_back(c);
    }

    void begin_group(std::int32_t dilation) {
        plan_.groups.push_back({of_.dilations[dilation], n_comparisons(), n_comparisons()});
        plan_.largest_dilation = std::max(plan_.largest_dilation, of_.dilations[dilation]);
    }

    void close() {
        for (const KernelGroup& group : plan_.groups) mark_alike(group);
        first_channels_.push_back(plan_.channels.size());
        first_groups_.push_back(plan_.groups.size());
        const std::int32_t* const channels = plan_.channels.data();
        const KernelGroup* const groups = plan_.groups.data();
        for (std::size_t i = 0; i + 1 < first_groups_.size(); ++i)
            plan_.sets.push_back({channels + first_channels_[i], int(first_channels_[i + 1] - first_channels_[i]),
                                  groups + first_groups_[i], groups + first_groups_[i + 1]});
    }

    void mark_alike(const KernelGroup& group) {
        for (std::int32_t i = group.first, end; i < group.last; i = end) {
            const std::int8_t* const taps = plan_.comparisons[i].taps;
            for (end = i + 1; end < group.last && end - i < most_alike; ++end)
                if (std::memcmp(plan_.comparisons[end].taps, taps, 2) != 0) break;
            plan_.comparisons[i].n_alike = std::int8_t(end - i);
        }
    }

    const Convolutions& of_;
    ConvolutionPlan plan_;
    std::vector<std::size_t> first_channels_, first_groups_;  // of each set
};

}  // namespace

Convolutions Convolutions::only(std::int64_t dilation) const {
    return {1, n_channels, dilations + dilation, n_biases + dilation, channels + dilation * n_kernels * n_channels};
}

std::int64_t Convolutions::n_features() const {
    return n_kernels * std::accumulate(n_biases, n_biases + n_dilations, std::int64_t(0));
}

void ConvolutionPlan::into(ConvolutionProblem& p) const {
    p.sets = sets.data(), p.sets_end = sets.data() + sets.size();
    p.comparisons = comparisons.data();
    p.largest_dilation = largest_dilation;
}

ConvolutionPlan plan_shares(const Convolutions& convolutions, const float* biases) {
    std::vector<std::int64_t> firsts(convolutions.n_dilations, 0);  // features before those of each dilation
    for (std::int64_t d = 1; d < convolutions.n_dilations; ++d)
        firsts[d] = firsts[d - 1] + n_kernels * convolutions.n_biases[d - 1];
    return Planner(convolutions).run(convolutions.n_features(), [&](Planner& planner, std::int32_t dilation, int kernel) {
        const std::int64_t n = convolutions.n_biases[dilation], first = firsts[dilation] + kernel * n;
        for (std::int64_t feature = first; feature < first + n; ++feature) planner.add(kernel, biases[feature], feature);
    });
}

ConvolutionPlan plan_outputs(const Convolutions& one_dilation) {
    return Planner(one_dilation).run(
        n_kernels, [](Planner& planner, std::int32_t, int kernel) { planner.add(kernel, 0, kernel); });
}

void take_quantiles(float* values, std::int64_t n, const double* probabilities, std::int64_t n_quantiles, float* out) {
    for (std::int64_t i = 0; i < n_quantiles; ++i) {
        const auto place = std::int64_t(probabilities[i] * double(n - 1));
        std::nth_element(values, values + place, values + n);
        out[i] = values[place] + 0;  // one sign of zero
    }
}

}  // namespace seqae
