// The forward pass of a tile: the stack of layers and the readout, step by step.

template <class T>
struct Packed {
    PackedLayer<T> layers[most_layers];
    PackedReadout<T> readout;
};

// The memory of a tile. Without gradients it holds two records per layer, used in turn, and one row of inputs.
template <class T>
struct TileTape {
    T* inputs = nullptr;     // of the first layer: rows [channel][lane] per step, or the constant ones
    T* projected = nullptr;  // constant inputs: bias + W_input x, gates
    T* outputs = nullptr;    // of the readout, of one step
    T* records[most_layers] = {};
    std::int64_t input_stride = 0, record_stride[most_layers] = {};
    bool keep = false;

    T* input(const Problem<T>& p, std::int64_t t) const {
        return inputs + (keep && p.reads_steps() ? t * input_stride : 0);
    }
    T* record(int layer, std::int64_t t) const { return records[layer] + (keep ? t : t & 1) * record_stride[layer]; }
};

template <class Cell, class Layout, class T>
TileTape<T> lay_out(Arena<T>& arena, const Problem<T>& p, const Tile& tile, bool keep) {
    // a stride of whole pages would map all steps to the same lines of the first-level cache
    const auto odd = [](std::int64_t n) { return round_up(n, 128) + 128; };
    TileTape<T> tape;
    tape.keep = keep;
    const int input_size = p.layers[0].input_size, L = tile.n_lanes;
    tape.input_stride = std::int64_t(Layout::channel_rows(input_size)) * L;
    tape.inputs = arena.take(tape.input_stride * (keep && p.reads_steps() ? tile.n_steps + 1 : 1));
    if (p.source == Source::constant) tape.projected = arena.take(4 * Layout::unit_rows(p.layers[0].hidden_size) * L);
    tape.outputs = arena.take(std::int64_t(Layout::channel_rows(p.n_channels)) * L);
    for (int k = 0; k < p.n_layers; ++k) {
        const std::int64_t part = std::int64_t(Layout::unit_rows(p.layers[k].hidden_size)) * L;
        tape.record_stride[k] = odd((Cell::n_parts + (keep ? 4 : 0)) * part);
        tape.records[k] = arena.take(tape.record_stride[k] * (keep ? tile.n_steps + 1 : 2));
    }
    return tape;
}

// The state before the first step, of all layers.
template <class Cell, class T>
void begin_layers(const Problem<T>& p, const Packed<T>& packed, const TileTape<T>& tape, const Lanes<T>& lanes,
                  int n_lanes) {
    for (int k = 0; k < p.n_layers; ++k) {
        const std::int64_t part = std::int64_t(packed.layers[k].n_unit_rows) * n_lanes;
        T* const record = tape.record(k, 0);
        fill_zero(record, Cell::n_parts * part);
        for (int s = 0; s < Cell::n_states; ++s)
            gather_sequences(lanes, p.layers[k].state[s], p.layers[k].hidden_size, record + s * part, n_lanes);
    }
}

// One step of all layers. x: input of the first, or null; projected: its constant part, or null. Returns the top's h.
template <bool keep, class Layout, class T>
const T* step_layers(const Problem<T>& p, const Packed<T>& packed, const TileTape<T>& tape, std::int64_t t,
                     const T* projected, const T* x, int n_lanes, int n_running) {
    for (int k = 0; k < p.n_layers; ++k) {
        T* const after = tape.record(k, t + 1);
        Layout::template forward<keep>(packed.layers[k], k == 0 ? projected : nullptr, x, tape.record(k, t), after,
                                       n_lanes, n_running);
        x = after;
    }
    return x;
}

template <class Cell, class Layout, bool keep, class T>
class ForwardTile {
public:
    ForwardTile(const Problem<T>& p, const Plan& plan, const Tile& tile, const Packed<T>& packed,
                const TileTape<T>& tape)
        : p_(p), plan_(plan), packed_(packed), tape_(tape), lanes_(p, plan, tile), n_lanes_(tile.n_lanes) {}

    void run(std::int64_t n_steps) {
        begin(n_steps);
        int running = lanes_.n;
        for (std::int64_t t = 0; t <= n_steps; ++t) {
            const int n = lanes_.n_running(t);
            if (n < running) finish(t, n, running);
            running = n;
            if (running > 0) step(t, running);
        }
    }

private:
    void begin(std::int64_t n_steps) {
        begin_layers<Cell>(p_, packed_, tape_, lanes_, n_lanes_);
        const int input_size = p_.layers[0].input_size;
        if (n_lanes_ == 1)  // the padding of narrow rows is read by the weight gradients
            fill_zero(tape_.inputs, tape_.input_stride * (keep && p_.reads_steps() ? n_steps + 1 : 1));
        if (p_.source != Source::steps) gather_sequences(lanes_, p_.values, input_size, tape_.inputs, n_lanes_);
        if (p_.source == Source::constant) Layout::project(packed_.layers[0], tape_.inputs, tape_.projected, n_lanes_);
    }

    void step(std::int64_t t, int n_running) {
        T* const input = tape_.input(p_, t);
        const T* x = p_.reads_steps() || (p_.source == Source::first && t == 0) ? input : nullptr;
        if (p_.source == Source::steps)
            gather_step(lanes_, p_.starts, t, n_running, p_.values, p_.layers[0].input_size, input, n_lanes_);
        const T* const hidden =  // projected is null unless the inputs are constant
            step_layers<keep, Layout>(p_, packed_, tape_, t, static_cast<const T*>(tape_.projected), x, n_lanes_,
                                      n_running);
        if (p_.outputs || p_.source == Source::feedback) put_out(t, hidden, n_running);
    }

    void put_out(std::int64_t t, const T* hidden, int n_running) {
        const PackedReadout<T>& w = packed_.readout;
        T* const readout = p_.source == Source::feedback ? tape_.input(p_, t + 1) : tape_.outputs;
        if (p_.readout_weight)
            Layout::template product<SingleRows>(w.forward, p_.readout_bias, false, hidden, w.n_units, readout,
                                                 p_.n_channels, n_lanes_, n_running);
        if (p_.outputs)
            scatter_step(lanes_, plan_.offsets.data(), t, n_running, p_.outputs, p_.n_channels,
                         p_.readout_weight ? readout : hidden, n_lanes_);
    }

    // lanes first..last-1 had their last step before t
    void finish(std::int64_t t, int first, int last) {
        for (int k = 0; k < p_.n_layers; ++k)
            for (int s = 0; s < Cell::n_states; ++s) {
                if (!p_.layers[k].final_state[s]) continue;
                const T* const state = tape_.record(k, t) + s * std::int64_t(packed_.layers[k].n_unit_rows) * n_lanes_;
                scatter_sequences(lanes_, first, last, p_.layers[k].final_state[s], p_.layers[k].hidden_size, state,
                                  n_lanes_);
            }
    }

    const Problem<T>& p_;
    const Plan& plan_;
    const Packed<T>& packed_;
    const TileTape<T>& tape_;
    const Lanes<T> lanes_;
    const int n_lanes_;
};
