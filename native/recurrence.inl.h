// Recurrent layers over ragged batches, forward and backward: packs the weights, and hands out tiles to threads.

template <class T, class F>
void with_cell(const Problem<T>& p, F f) {
    const bool is_tanh = p.activation == Activation::tanh;
    if (p.cell == CellKind::lstm)
        is_tanh ? f(Lstm<Tanh>()) : f(Lstm<Relu>());
    else
        is_tanh ? f(Gru<Tanh>()) : f(Gru<Relu>());
}

enum class Pass { forward, backward };

template <class Cell, class Back, class T>
Packed<T> pack(Arena<T>& arena, const Problem<T>& p, Pass pass) {
    using Layout = typename Back::Layout;
    Packed<T> packed;
    for (int k = 0; k < p.n_layers; ++k) {
        const Layer<T>& layer = p.layers[k];
        packed.layers[k] = {layer.hidden_size, layer.input_size, Layout::unit_rows(layer.hidden_size)};
        if (pass == Pass::forward) packed.layers[k] = Layout::pack(arena, layer);
        else
            Back::pack(arena, layer, packed.layers[k]);
    }
    if (!p.readout_weight) return packed;
    const int n_units = p.layers[p.n_layers - 1].hidden_size;
    packed.readout = {p.n_channels, n_units};
    if (pass == Pass::forward)
        packed.readout.forward = Layout::pack_rows(arena, p.readout_weight, p.n_channels, n_units);
    else
        packed.readout.backward = Layout::pack_columns(arena, p.readout_weight, p.n_channels, n_units);
    return packed;
}

// Calls f with the layout's backward type and its packed weights, for tiles that are wide, then for those that are not.
template <class Cell, class T>
class PackedBoth {
public:
    PackedBoth(const Problem<T>& p, const Plan& plan, Pass pass) {
        for (const Tile& tile : plan.tiles) (tile.n_lanes > 1 ? has_wide_ : has_narrow_) = true;
        Arena<T> counting;
        fill(counting, p, pass);
        memory_ = Block(counting.n_taken * sizeof(T));
        Arena<T> arena{memory_.as<T>()};
        fill(arena, p, pass);
    }

    template <class F>
    void of(const Tile& tile, F f) const {
        if (tile.n_lanes > 1) f(WideBackward<T, Cell>(), wide_);
        else
            f(NarrowBackward<T, Cell>(), narrow_);
    }

private:
    void fill(Arena<T>& arena, const Problem<T>& p, Pass pass) {
        if (has_wide_) wide_ = pack<Cell, WideBackward<T, Cell>>(arena, p, pass);
        if (has_narrow_) narrow_ = pack<Cell, NarrowBackward<T, Cell>>(arena, p, pass);
    }

    bool has_wide_ = false, has_narrow_ = false;
    Packed<T> wide_, narrow_;
    Block memory_;
};

template <bool keep, class Cell, class T>
void forward_with(const Problem<T>& p, Tape& tape, int n_threads) {
    const Plan& plan = tape.plan;
    const PackedBoth<Cell, T> packed(p, plan, Pass::forward);
    const int n_tiles = int(plan.tiles.size());
    std::int64_t n_values = 0, most = 0;
    for (const Tile& tile : plan.tiles)
        packed.of(tile, [&](auto back, const Packed<T>&) {
            Arena<T> counting;
            lay_out<Cell, typename decltype(back)::Layout>(counting, p, tile, keep);
            tape.tile_starts.push_back(n_values);
            n_values += counting.n_taken;
            if (counting.n_taken > most) most = counting.n_taken;
        });
    // without gradients a thread uses the same memory for all its tiles
    tape.memory = Block((keep ? n_values : most * n_threads) * sizeof(T));
    T* const memory = tape.memory.as<T>();
    parallel_for(n_tiles, n_threads, [&](int i, int worker) {
        const Tile& tile = plan.tiles[i];
        packed.of(tile, [&](auto back, const Packed<T>& weights) {
            using Layout = typename decltype(back)::Layout;
            Arena<T> arena{memory + (keep ? tape.tile_starts[i] : most * worker)};
            const TileTape<T> of_tile = lay_out<Cell, Layout>(arena, p, tile, keep);
            ForwardTile<Cell, Layout, keep, T>(p, plan, tile, weights, of_tile).run(tile.n_steps);
        });
    });
    if (!keep) tape.memory = Block();
}

template <class T>
void forward(const Problem<T>& p, Tape& tape, bool keep, int n_threads) {
    tape.plan = make_plan(p.lengths, p.n_sequences, Vec<T>::width);
    with_cell(p, [&](auto cell) {
        using Cell = decltype(cell);
        keep ? forward_with<true, Cell>(p, tape, n_threads) : forward_with<false, Cell>(p, tape, n_threads);
    });
}

#include "reduction.inl.h"

template <class Cell, class T>
void backward_with(const Problem<T>& p, const Gradients<T>& g, Tape& tape, int n_threads) {
    const Plan& plan = tape.plan;
    const PackedBoth<Cell, T> packed(p, plan, Pass::backward);
    const ValueGradients<T> values(p, g, plan);
    Arena<T> counting, space_counting;
    lay_out_partial<Cell>(counting, p);
    for (const Tile& tile : plan.tiles)
        packed.of(tile, [&](auto back, const Packed<T>&) {
            Arena<T> of_tile;
            lay_out_space<Cell, decltype(back)>(of_tile, p, tile.n_lanes);
            if (of_tile.n_taken > space_counting.n_taken) space_counting = of_tile;
        });
    const int n_tiles = int(plan.tiles.size()), n_partials = n_tiles < most_partials ? n_tiles : most_partials;
    const std::int64_t partial_size = counting.n_taken, space_size = space_counting.n_taken;
    const Block memory((n_partials * partial_size + n_threads * space_size) * sizeof(T));
    T* const partials = memory.as<T>();
    parallel_for(n_partials, n_threads, [&](int i, int worker) {
        Arena<T> arena{partials + i * partial_size};
        const Partial<T> partial = lay_out_partial<Cell>(arena, p);
        fill_zero(partials + i * partial_size, partial_size);
        for (int tile_number = i; tile_number < n_tiles; tile_number += n_partials) {
            const Tile& tile = plan.tiles[tile_number];
            packed.of(tile, [&](auto back, const Packed<T>& weights) {
                using Back = decltype(back);
                Arena<T> tape_arena{tape.memory.as<T>() + tape.tile_starts[tile_number]};
                const auto of_tile = lay_out<Cell, typename Back::Layout>(tape_arena, p, tile, true);
                Arena<T> space_arena{partials + n_partials * partial_size + worker * space_size};
                const auto space = lay_out_space<Cell, Back>(space_arena, p, tile.n_lanes);
                BackwardTile<Cell, Back, T>(p, values.g, values.rows, plan, tile, weights, of_tile, space, partial)
                    .run();
            });
        }
    });
    add_partials<Cell>(p, g, partials, n_partials, partial_size);
    values.add(p, g);
}

template <class T>
void backward(const Problem<T>& p, const Gradients<T>& g, Tape& tape, int n_threads) {
    with_cell(p, [&](auto cell) { backward_with<decltype(cell)>(p, g, tape, n_threads); });
}
