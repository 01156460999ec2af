// The backward pass of a tile, from its last step to its first, and the sums of weight gradients.

// The weight gradients of some tiles, rows padded so that whole vectors can be added.
template <class T>
struct Partial {
    struct OfLayer {
        T *input, *hidden, *input_bias, *hidden_bias;
        std::int64_t input_stride, hidden_stride;
    } layers[most_layers];
    T *readout = nullptr, *readout_bias = nullptr;
    std::int64_t readout_stride = 0;
};

template <class Cell, class T>
Partial<T> lay_out_partial(Arena<T>& arena, const Problem<T>& p) {
    constexpr int width = Vec<T>::width;
    Partial<T> partial;
    for (int k = 0; k < p.n_layers; ++k) {
        const std::int64_t rows = Cell::n_gates * std::int64_t(p.layers[k].hidden_size);
        auto& of = partial.layers[k];
        of.input_stride = round_up(p.layers[k].input_size, width);
        of.hidden_stride = round_up(p.layers[k].hidden_size, width);
        of.input = arena.take(rows * of.input_stride);
        of.hidden = arena.take(rows * of.hidden_stride);
        of.input_bias = arena.take(rows);
        of.hidden_bias = arena.take(rows);
    }
    partial.readout_stride = round_up(p.layers[p.n_layers - 1].hidden_size, width);
    partial.readout = arena.take(round_up(p.n_channels, 4) * partial.readout_stride);
    partial.readout_bias = arena.take(p.n_channels);
    return partial;
}

constexpr int most_chunk_steps = 16;

// Steps whose weight gradients are summed together: their records fit into half of the second-level cache of most CPUs.
template <class Cell, class Layout, class T>
int chunk_steps(const Problem<T>& p, int n_lanes) {
    std::int64_t record = 0;
    for (int k = 0; k < p.n_layers; ++k) record += (Cell::n_parts + 4) * Layout::unit_rows(p.layers[k].hidden_size);
    const std::int64_t n = (512 << 10) / (record * n_lanes * std::int64_t(sizeof(T)) + 1);
    return n < 4 ? 4 : n < most_chunk_steps ? int(n) : most_chunk_steps;
}

// What the backward pass of a tile needs besides its tape.
template <class T>
struct BackwardSpace {
    Carry<T> carries[most_layers];
    T *outputs, *output_sums, *inputs;  // gradients of the outputs (a chunk of steps), their sum, of one step's inputs
    std::int64_t output_stride, n_values;
    int chunk_steps;
    T* panels[2];  // of the columns that are multiplied with the gates' gradients
};

template <class Cell, class Back, class T>
BackwardSpace<T> lay_out_space(Arena<T>& arena, const Problem<T>& p, int n_lanes) {
    using Layout = typename Back::Layout;
    BackwardSpace<T> space;
    space.chunk_steps = chunk_steps<Cell, Layout>(p, n_lanes);
    const std::int64_t first = arena.n_taken;
    for (int k = 0; k < p.n_layers; ++k) {
        const std::int64_t part = std::int64_t(Layout::unit_rows(p.layers[k].hidden_size)) * n_lanes;
        // the wide layout sums gradients of biases along with those of weights
        const bool has_sums = n_lanes == 1 || (k == 0 && p.source == Source::constant);
        space.carries[k] = {arena.take(2 * part), has_sums ? arena.take(4 * part) : nullptr};
    }
    space.output_stride = std::int64_t(Layout::channel_rows(p.n_channels)) * n_lanes;
    space.outputs = arena.take(space.chunk_steps * space.output_stride);
    space.output_sums = arena.take(space.output_stride);
    space.inputs = arena.take(std::int64_t(Layout::channel_rows(p.layers[0].input_size)) * n_lanes);
    space.n_values = arena.n_taken - first;
    std::int64_t most = Back::panels_size(p.layers[0].input_size, space.chunk_steps + 1, n_lanes);
    for (int k = 0; k < p.n_layers; ++k)
        most = larger(most, Back::panels_size(p.layers[k].hidden_size, space.chunk_steps + 1, n_lanes));
    for (T*& panels : space.panels) panels = arena.take(most);
    return space;
}

template <class Cell, class Back, class T>
class BackwardTile {
    using Layout = typename Back::Layout;

public:
    BackwardTile(const Problem<T>& p, const Gradients<T>& g, const std::int64_t* value_rows, const Plan& plan,
                 const Tile& tile, const Packed<T>& packed, const TileTape<T>& tape, const BackwardSpace<T>& space,
                 const Partial<T>& partial)
        : p_(p), g_(g), value_rows_(value_rows), plan_(plan), packed_(packed), tape_(tape), space_(space),
          partial_(partial), lanes_(p, plan, tile), n_lanes_(tile.n_lanes), n_steps_(tile.n_steps) {}

    void run() {
        begin();
        for (std::int64_t end = n_steps_; end > 0;) {
            const std::int64_t first = end > space_.chunk_steps ? end - space_.chunk_steps : 0;
            for (std::int64_t t = end - 1; t >= first; --t) step(t, first);
            add_weight_gradients(first, int(end - first));
            end = first;
        }
        finish();
    }

private:
    std::int64_t part(int k) const { return std::int64_t(packed_.layers[k].n_unit_rows) * n_lanes_; }
    T* gates(int k, std::int64_t t) const { return tape_.record(k, t + 1) + Cell::n_parts * part(k); }

    void begin() {
        fill_zero(space_.carries[0].state, space_.n_values);
        for (int k = 0; k < p_.n_layers; ++k)
            for (int s = 0; s < Cell::n_states; ++s)
                gather_sequences(lanes_, g_.layers[k].final_state[s], p_.layers[k].hidden_size,
                                 space_.carries[k].state + s * part(k), n_lanes_);
    }

    void step(std::int64_t t, std::int64_t first) {
        const int n_running = n_running_[t - first] = lanes_.n_running(t);
        const int n_next = t + 1 < n_steps_ ? lanes_.n_running(t + 1) : 0;
        T* const outputs = space_.outputs + (t - first) * space_.output_stride;
        FromAbove<T> above = from_outputs(t, n_running, n_next, outputs);
        for (int k = p_.n_layers - 1; k >= 0; --k) {
            T* const next_gates = n_next > 0 ? gates(k, t + 1) : nullptr;
            if (next_gates) clear_idle(next_gates, k, n_next, n_running);
            Back::step(packed_.layers[k], above, tape_.record(k, t), tape_.record(k, t + 1), next_gates, n_next,
                       space_.carries[k], n_lanes_, n_running);
            above = {nullptr, packed_.layers[k].to_input, gates(k, t), p_.layers[k].hidden_size, true};
        }
        if (g_.values && p_.source == Source::steps) {
            to_input(gates(0, t), false, space_.inputs, n_running);
            scatter_step(lanes_, value_rows_, t, n_running, g_.values, p_.layers[0].input_size, space_.inputs,
                         n_lanes_);
        }
    }

    FromAbove<T> from_outputs(std::int64_t t, int n_running, int n_next, T* outputs) {
        if (!g_.outputs) fill_zero(outputs, space_.output_stride);
        else
            gather_step(lanes_, plan_.offsets.data(), t, n_running, g_.outputs, p_.n_channels, outputs, n_lanes_);
        if (p_.source == Source::feedback && n_next > 0) to_input(gates(0, t + 1), true, outputs, n_next);
        if (!p_.readout_weight) return {g_.outputs ? outputs : nullptr};
        for (std::int64_t i = 0; i < space_.output_stride; ++i) space_.output_sums[i] += outputs[i];
        return {nullptr, packed_.readout.backward, outputs, p_.n_channels, false};
    }

    void to_input(const T* gates, bool is_added, T* out, int n_running) {
        Back::template from_gates<typename Cell::X>(packed_.layers[0].to_input, gates, p_.layers[0].hidden_size,
                                                    is_added, out, p_.layers[0].input_size,
                                                    packed_.layers[0].n_unit_rows, n_lanes_, n_running);
    }

    // vectors that run in this step but not in the one after have no gradients there yet
    void clear_idle(T* next_gates, int k, int n_next, int n_running) {
        constexpr int width = Vec<T>::width;
        const std::int64_t from = round_up(n_next, width), to = round_up(n_running, width);
        if (n_lanes_ == 1 || from >= to) return;
        for (std::int64_t row = 0; row < 4 * std::int64_t(packed_.layers[k].n_unit_rows); ++row)
            fill_zero(next_gates + row * n_lanes_ + from, to - from);
    }

    void add_weight_gradients(std::int64_t first, int n_steps) {
        const Steps steps{n_steps, n_running_};
        Columns<T> below = p_.reads_steps() ? columns({tape_.input(p_, first), tape_.input_stride},
                                                      p_.layers[0].input_size, n_steps, 1)
                                            : Columns<T>{};
        for (int k = 0; k < p_.n_layers; ++k) {
            const auto& to = partial_.layers[k];
            const int H = p_.layers[k].hidden_size;
            const StepRows<T> gradients{gates(k, first), tape_.record_stride[k]};
            const bool has_sums = space_.carries[k].sums != nullptr;
            // of an input that is read once: the bias only, at every step; a constant input's is added at the end
            if (k > 0 || p_.source != Source::constant)
                Back::template add_weight_gradient<typename Cell::X>(steps, gradients, H, below, n_lanes_, to.input,
                                                                     H * to.input_stride, to.input_stride,
                                                                     has_sums ? nullptr : to.input_bias);
            if (k == 0 && p_.source == Source::first && first == 0) add_first_gradient(gradients);
            const Columns<T> hidden = columns({tape_.record(k, first), tape_.record_stride[k]}, H, n_steps + 1, k % 2);
            Back::template add_weight_gradient<typename Cell::H>(steps, gradients, H, hidden, n_lanes_, to.hidden,
                                                                 H * to.hidden_stride, to.hidden_stride,
                                                                 has_sums ? nullptr : to.hidden_bias);
            below = hidden.later(1);
        }
        if (p_.readout_weight)
            Back::add_readout_gradient(steps, {space_.outputs, space_.output_stride}, p_.n_channels, below, n_lanes_,
                                       partial_.readout, partial_.readout_stride);
    }

    Columns<T> columns(StepRows<T> rows, int n, int n_steps, int room) const {
        return Back::lay_panels(rows, n, n_steps, n_running_[0], n_lanes_, space_.panels[room]);
    }

    // the first layer's, of inputs that it reads at the first step alone
    void add_first_gradient(StepRows<T> gradients) {
        const Layer<T>& layer = p_.layers[0];
        const auto& to = partial_.layers[0];
        Back::template add_weight_gradient<typename Cell::X>({1, n_running_}, gradients, layer.hidden_size,
                                                             {layer.input_size, {tape_.inputs, 0}}, n_lanes_, to.input,
                                                             layer.hidden_size * to.input_stride, to.input_stride);
    }

    void finish() {
        const int n_begun = n_steps_ > 0 ? lanes_.n_running(0) : 0;
        for (int k = 0; k < p_.n_layers; ++k) {
            add_bias_gradients(k);
            if (g_.layers[k].state[0]) state_gradients(k, n_begun);
        }
        for (int c = 0; p_.readout_weight && c < p_.n_channels; ++c)
            for (int lane = 0; lane < n_lanes_; ++lane)
                partial_.readout_bias[c] += space_.output_sums[std::int64_t(c) * n_lanes_ + lane];
        if (p_.source == Source::constant) constant_gradients();
        if ((p_.source == Source::feedback || p_.source == Source::first) && g_.values) {
            fill_zero(space_.inputs, std::int64_t(p_.layers[0].input_size) * n_lanes_);
            if (n_begun > 0) to_input(gates(0, 0), true, space_.inputs, n_begun);
            scatter_sequences(lanes_, 0, lanes_.n, g_.values, p_.layers[0].input_size, space_.inputs, n_lanes_);
        }
    }

    void add_bias_gradients(int k) {
        if (!space_.carries[k].sums) return;
        const auto& to = partial_.layers[k];
        const int H = p_.layers[k].hidden_size, rows = packed_.layers[k].n_unit_rows;
        Back::template add_bias_gradient<typename Cell::X>(space_.carries[k].sums, H, rows, n_lanes_, to.input_bias, H);
        Back::template add_bias_gradient<typename Cell::H>(space_.carries[k].sums, H, rows, n_lanes_, to.hidden_bias,
                                                           H);
    }

    void constant_gradients() {
        const Layer<T>& layer = p_.layers[0];
        const auto& to = partial_.layers[0];
        const int n_running[1] = {lanes_.n};
        Back::template add_weight_gradient<typename Cell::X>({1, n_running}, {space_.carries[0].sums, 0},
                                                             layer.hidden_size, {layer.input_size, {tape_.inputs, 0}},
                                                             n_lanes_, to.input, layer.hidden_size * to.input_stride,
                                                             to.input_stride);
        if (!g_.values) return;
        to_input(space_.carries[0].sums, false, space_.inputs, lanes_.n);
        scatter_sequences(lanes_, 0, lanes_.n, g_.values, layer.input_size, space_.inputs, n_lanes_);
    }

    void state_gradients(int k, int n_begun) {
        T* const state = space_.carries[k].state;
        const int H = p_.layers[k].hidden_size;
        for (int j = 0; !Cell::carries_h && j < H; ++j) fill_zero(state + std::int64_t(j) * n_lanes_, n_begun);
        if (n_begun > 0)
            Back::template from_gates<typename Cell::H>(packed_.layers[k].to_hidden, gates(k, 0), H, true, state, H,
                                                        packed_.layers[k].n_unit_rows, n_lanes_, n_begun);
        for (int s = 0; s < Cell::n_states; ++s)
            if (g_.layers[k].state[s])
                scatter_sequences(lanes_, 0, lanes_.n, g_.layers[k].state[s], H, state + s * part(k), n_lanes_);
    }

    const Problem<T>& p_;
    const Gradients<T>& g_;
    const std::int64_t* const value_rows_;  // where in g_.values each sequence begins
    const Plan& plan_;
    const Packed<T>& packed_;
    const TileTape<T>& tape_;
    const BackwardSpace<T>& space_;
    const Partial<T>& partial_;
    const Lanes<T> lanes_;
    const int n_lanes_;
    const std::int64_t n_steps_;
    int n_running_[most_chunk_steps];
};
