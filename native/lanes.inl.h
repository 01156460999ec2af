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

// f(first lane, first channel, n_channels) for parts that a vector holds either way
template <class T, class F>
void each_square(int n_lanes, int n_channels, F f) {
    constexpr int width = Vec<T>::width;
    for (int lane = 0; lane < n_lanes; lane += width)
        for (int c = 0; c < n_channels; c += width) f(lane, c, n_channels - c < width ? n_channels - c : width);
}

constexpr int few_channels = 4;  // fewer are moved one by one

// rows[channel][lane] = from[step t of lane][channel]; 0 where a lane has no step t.
template <class T>
void gather_step(const Lanes<T>& lanes, const std::int64_t* starts, std::int64_t t, int n_running, const T* from,
                 int n_channels, T* rows, int n_lanes) {
    constexpr int width = Vec<T>::width;
    const T* source[Lanes<T>::most];
    for (int lane = 0; lane < n_running; ++lane) source[lane] = from + lanes.row(starts, lane, t) * n_channels;
    if (n_channels < few_channels || n_lanes < width) {
        for (int c = 0; c < n_channels; ++c, rows += n_lanes)
            for (int lane = 0; lane < n_lanes; ++lane) rows[lane] = lane < n_running ? source[lane][c] : T(0);
        return;
    }
    const T zeros[width] = {};
    each_square<T>(n_lanes, n_channels, [&](int first, int c, int n) {
        const T* part[width];
        for (int i = 0; i < width; ++i) part[i] = first + i < n_running ? source[first + i] + c : zeros;
        transpose_in(part, n, rows + std::int64_t(c) * n_lanes + first, n_lanes);
    });
}

// to[step t of lane][channel] = rows[channel][lane]
template <class T>
void scatter_step(const Lanes<T>& lanes, const std::int64_t* starts, std::int64_t t, int n_running, T* to,
                  int n_channels, const T* rows, int n_lanes) {
    constexpr int width = Vec<T>::width;
    T* target[Lanes<T>::most];
    for (int lane = 0; lane < n_running; ++lane) target[lane] = to + lanes.row(starts, lane, t) * n_channels;
    if (n_channels < few_channels || n_lanes < width) {
        for (int c = 0; c < n_channels; ++c, rows += n_lanes)
            for (int lane = 0; lane < n_running; ++lane) target[lane][c] = rows[lane];
        return;
    }
    T unwanted[width];
    each_square<T>(n_running, n_channels, [&](int first, int c, int n) {
        T* part[width];
        for (int i = 0; i < width; ++i) part[i] = first + i < n_running ? target[first + i] + c : unwanted;
        transpose_out(rows + std::int64_t(c) * n_lanes + first, n_lanes, n, part);
    });
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
