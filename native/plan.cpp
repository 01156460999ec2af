#include "plan.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <stdexcept>
#include <string>

namespace seqae {
namespace {

// A vector of lanes costs the steps of its longest sequence; the narrow layout costs about four lanes per sequence.
bool is_narrow_better(const std::vector<std::int64_t>& sorted, std::size_t first, int width) {
    const std::size_t end = std::min(sorted.size(), first + width);
    const auto n_steps = std::accumulate(sorted.begin() + first, sorted.begin() + end, std::int64_t{0});
    return 4 * n_steps < width * sorted[first];
}

// Two vectors share the loads of a weight, but run as long as the longer one and as a single job.
bool is_double_better(const std::vector<std::int64_t>& sorted, std::size_t first, int width) {
    if (sorted.size() <= std::size_t(2 * width) || first + width >= sorted.size()) return false;
    return 8 * sorted[first + width] >= 7 * sorted[first];
}

// Lanes of every tile, from SEQAE_LAYOUT, with which tests force one layout; 0 if it is not set.
int forced_lanes(int width) {
    const char* const layout = std::getenv("SEQAE_LAYOUT");
    if (!layout || !*layout) return 0;
    if (std::strcmp(layout, "narrow") == 0) return 1;
    if (std::strcmp(layout, "1") == 0) return width;
    if (std::strcmp(layout, "2") == 0) return 2 * width;
    throw std::invalid_argument(std::string("SEQAE_LAYOUT must be narrow, 1 or 2, got ") + layout);
}

}  // namespace

Plan::Plan() = default;
Plan::~Plan() = default;
Plan::Plan(Plan&&) noexcept = default;
Plan& Plan::operator=(Plan&&) noexcept = default;

Plan make_plan(const std::int64_t* lengths, std::int64_t n_sequences, int width) {
    Plan plan;
    plan.order.resize(n_sequences);
    plan.offsets.resize(n_sequences);
    std::iota(plan.order.begin(), plan.order.end(), 0);
    std::exclusive_scan(lengths, lengths + n_sequences, plan.offsets.begin(), std::int64_t{0});
    plan.n_steps = n_sequences ? plan.offsets.back() + lengths[n_sequences - 1] : 0;
    const auto is_longer = [&](std::int64_t a, std::int64_t b) { return lengths[a] > lengths[b]; };
    if (!std::is_sorted(plan.order.begin(), plan.order.end(), is_longer))
        std::stable_sort(plan.order.begin(), plan.order.end(), is_longer);
    std::vector<std::int64_t> sorted(n_sequences);
    std::transform(plan.order.begin(), plan.order.end(), sorted.begin(), [&](std::int64_t i) { return lengths[i]; });
    const int forced = forced_lanes(width);
    for (std::size_t first = 0; first < sorted.size();) {
        int n_lanes = is_double_better(sorted, first, width) ? 2 * width : width;
        if (is_narrow_better(sorted, first, width)) n_lanes = 1;
        if (forced) n_lanes = forced;
        const auto n_left = std::int64_t(sorted.size() - first);
        const int n_taken = int(std::min<std::int64_t>(n_lanes, n_left));
        plan.tiles.push_back({std::int64_t(first), n_taken, n_lanes, sorted[first]});
        first += n_taken;
    }
    return plan;
}

}  // namespace seqae
