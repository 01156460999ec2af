// The sequences of a tile, and moving their steps between Ragged order (a row per step) and lanes (a row per channel).

template <class T>
struct Lanes {
    static constexpr int most = 2 * Vec<T>::width;
    int n = 0;
    bool reverse = false;
    std::int64_t sequence[most], length[most];

    Lanes(const Problem<T>& p, const Plan& plan, const Tile& tile) : n(tile.n_sequences), reverse(p.reverse) {
        for (int lane = 0; lane < n; ++lane) {
            sequence[lane] = plan.order[tile.first + lane];
            length[lane] = p.lengths[sequence[lane]];
        }
    }

    // lanes that have step t: a prefix, as the longest come first
    int n_running(std::int64_t t) const {
        int running = n;
        while (running > 0 && length[running - 1] <= t) --running;
        return running;
    }

    // where step t of a lane is, in a matrix in which the sequence begins at row starts[sequence]
    std::int64_t row(const std::int64_t* starts, int lane, std::int64_t t) const {
        return starts[sequence[lane]] + (reverse ? length[lane] - 1 - t : t);
    }
};

// rows[channel][lane] = from[step t of lane][channel]; 0 where a lane has no step t.
template <class T>
void gather_step(const Lanes<T>& lanes, const std::int64_t* starts, std::int64_t t, int n_running, const T* from,
                 int n_channels, T* rows, int n_lanes) {
    for (int lane = 0; lane < n_running; ++lane) {
        const T* const source = from + lanes.row(starts, lane, t) * n_channels;
        for (int c = 0; c < n_channels; ++c) rows[std::int64_t(c) * n_lanes + lane] = source[c];
    }
    for (int lane = n_running; lane < n_lanes; ++lane)
        for (int c = 0; c < n_channels; ++c) rows[std::int64_t(c) * n_lanes + lane] = 0;
}

// to[step t of lane][channel] = rows[channel][lane]
template <class T>
void scatter_step(const Lanes<T>& lanes, const std::int64_t* starts, std::int64_t t, int n_running, T* to,
                  int n_channels, const T* rows, int n_lanes) {
    for (int lane = 0; lane < n_running; ++lane) {
        T* const target = to + lanes.row(starts, lane, t) * n_channels;
        for (int c = 0; c < n_channels; ++c) target[c] = rows[std::int64_t(c) * n_lanes + lane];
    }
}

// rows[channel][lane] = from[sequence of lane][channel]; 0 where from is null, or in lanes without a sequence.
template <class T>
void gather_sequences(const Lanes<T>& lanes, const T* from, int n_channels, T* rows, int n_lanes) {
    for (int lane = 0; lane < n_lanes; ++lane)
        for (int c = 0; c < n_channels; ++c)
            rows[std::int64_t(c) * n_lanes + lane] =
                from && lane < lanes.n ? from[lanes.sequence[lane] * n_channels + c] : T(0);
}

// to[sequence of lane][channel] = rows[channel][lane], for lanes first..last-1
template <class T>
void scatter_sequences(const Lanes<T>& lanes, int first, int last, T* to, int n_channels, const T* rows, int n_lanes) {
    for (int lane = first; lane < last; ++lane)
        for (int c = 0; c < n_channels; ++c)
            to[lanes.sequence[lane] * n_channels + c] = rows[std::int64_t(c) * n_lanes + lane];
}
