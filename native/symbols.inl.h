// A stack that runs on the symbols it chooses: the most likely symbol of each step is the next step's input.
// Logits are summed like any other product, so that a choice does not depend on layout, other sequences or threads.

constexpr int chunk_rows = 256;  // logits at one time, whole blocks of both layouts: memory does not grow with symbols

// The most likely symbol of each lane so far; the first one if several are equal.
template <class T>
struct Likeliest {
    T logit[Lanes<T>::most];
    std::int32_t symbol[Lanes<T>::most];

    // rows [symbol from first on][lane]; a logit that is not a number is never chosen, unless it is symbol 0's
    void consider(const T* rows, int first, int n_rows, int n_running, int n_lanes) {
        for (int row = 0; row < n_rows; ++row, rows += n_lanes)
            for (int lane = 0; lane < n_running; ++lane) {
                const bool is_better = first + row == 0 || rows[lane] > logit[lane];
                logit[lane] = is_better ? rows[lane] : logit[lane];
                symbol[lane] = is_better ? first + row : symbol[lane];
            }
    }
};

template <class Cell, class Layout, class T>
class SymbolTile {
public:
    SymbolTile(const SymbolProblem<T>& symbols, const Plan& plan, const Tile& tile, const Packed<T>& packed,
               const TileTape<T>& tape)
        : symbols_(symbols), p_(symbols.stack), plan_(plan), packed_(packed), tape_(tape), lanes_(p_, plan, tile),
          n_lanes_(tile.n_lanes) {}

    void run(std::int64_t n_steps) {
        begin();
        for (std::int64_t t = 0; t < n_steps; ++t) step(t, lanes_.n_running(t));
    }

private:
    void begin() {
        begin_layers<Cell>(p_, packed_, tape_, lanes_, n_lanes_);
        gather_sequences(lanes_, p_.values, p_.layers[0].input_size, tape_.inputs, n_lanes_);
    }

    void step(std::int64_t t, int n_running) {
        choose(step_layers<false, Layout>(p_, packed_, tape_, t, static_cast<const T*>(nullptr),
                                          static_cast<const T*>(tape_.inputs), n_lanes_, n_running),
               n_running);
        for (int lane = 0; lane < n_running; ++lane) take(t, lane);
    }

    void choose(const T* hidden, int n_running) {
        const PackedReadout<T>& w = packed_.readout;
        for (int first = 0; first < p_.n_channels; first += chunk_rows) {
            const int n_rows = p_.n_channels - first < chunk_rows ? p_.n_channels - first : chunk_rows;
            Layout::template product<SingleRows>(w.forward + std::int64_t(first) * w.n_units, p_.readout_bias + first,
                                                 false, hidden, w.n_units, tape_.outputs, n_rows, n_lanes_, n_running);
            likeliest_.consider(tape_.outputs, first, n_rows, n_running, n_lanes_);
        }
    }

    void take(std::int64_t t, int lane) {
        const std::int32_t symbol = likeliest_.symbol[lane];
        const int input_size = p_.layers[0].input_size;
        const T* const row = symbols_.embedding + std::int64_t(symbol) * input_size;
        for (int c = 0; c < input_size; ++c) tape_.inputs[std::int64_t(c) * n_lanes_ + lane] = row[c];
        symbols_.chosen[lanes_.row(plan_.offsets.data(), lane, t)] = symbol;
    }

    const SymbolProblem<T>& symbols_;
    const Problem<T>& p_;
    const Plan& plan_;
    const Packed<T>& packed_;
    const TileTape<T>& tape_;
    const Lanes<T> lanes_;
    const int n_lanes_;
    Likeliest<T> likeliest_;
};

template <class T>
void choose(const SymbolProblem<T>& symbols, int n_threads) {
    const Problem<T>& p = symbols.stack;
    const Plan plan = make_plan(p.lengths, p.n_sequences, Vec<T>::width);
    Problem<T> room = p;  // what a tile needs room for
    if (room.n_channels > chunk_rows) room.n_channels = chunk_rows;
    with_cell(p, [&](auto cell) {
        using Cell = decltype(cell);
        const PackedBoth<Cell, T> packed(p, plan, Pass::forward);
        std::int64_t most = 0;
        for (const Tile& tile : plan.tiles)
            packed.of(tile, [&](auto back, const Packed<T>&) {
                Arena<T> counting;
                lay_out<Cell, typename decltype(back)::Layout>(counting, room, tile, false);
                if (counting.n_taken > most) most = counting.n_taken;
            });
        const Block memory(most * n_threads * sizeof(T));
        parallel_for(int(plan.tiles.size()), n_threads, [&](int i, int worker) {
            const Tile& tile = plan.tiles[i];
            packed.of(tile, [&](auto back, const Packed<T>& weights) {
                using Layout = typename decltype(back)::Layout;
                Arena<T> arena{memory.as<T>() + most * worker};
                const TileTape<T> tape = lay_out<Cell, Layout>(arena, room, tile, false);
                SymbolTile<Cell, Layout, T>(symbols, plan, tile, weights, tape).run(tile.n_steps);
            });
        });
    });
}
