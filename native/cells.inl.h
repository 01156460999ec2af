// One step of an LSTM or GRU for a vector, after the sums of its gates: forward and backward.
// Both keep four sums per unit ("slots"): i f g o of an LSTM; r, z and the input's and the state's part of n of a GRU.

// Which slots the rows of a matrix go to: slot of each of its gates, in torch's order.
struct Slots4 {
    static constexpr int n = 4, at[] = {0, 1, 2, 3}, group = 4;
};
struct SlotsX {
    static constexpr int n = 3, at[] = {0, 1, 2}, group = 4;
};
struct SlotsH {
    static constexpr int n = 3, at[] = {0, 1, 3}, group = 4;
};
struct SingleRows {
    static constexpr int n = 1, at[] = {0}, group = 1;
};

// A record is what a tile keeps of one step of one layer, in parts of n_unit_rows x n_lanes values:
// h, then (LSTM) c, then four parts of gates. Without gradients the gates are not there.
template <class B>
struct Spot {
    using T = typename B::Value;
    const T* before;  // h of the step before, of the current unit (wide) or vector of units (narrow)
    T* after;         // h of this step
    T* gates;         // slot 0 of this step
    std::int64_t part, slot, row, gate_row;  // distances from one part, slot, unit, unit's gates to the next
    typename B::Mask running;                // lanes that have this step; the others keep their state
    bool is_full;                            // whether that is all of them
};

// What the backward pass carries from step to step. Distances as in Spot.
template <class T>
struct Carry {
    T* state;  // gradients of h (GRU, and lanes that have not begun) and c
    T* sums;   // of the gates' gradients over all steps; null: not wanted
};

template <class B>
SEQAE_INLINE void store_gates(const B (&gates)[4], const Spot<B>& s) {
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) gates[k].store(s.gates + k * s.slot, s.gate_row);
}

template <class B>
SEQAE_INLINE void load_gates(B (&gates)[4], const Spot<B>& s) {
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) gates[k] = B::load(s.gates + k * s.slot, s.gate_row);
}

template <class B>
SEQAE_INLINE void store_gate_gradients(B (&d)[4], const Spot<B>& s, const Carry<typename B::Value>& carry) {
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
        if (!s.is_full) d[k] = select(s.running, d[k], B::broadcast(0));
        auto* const sums = carry.sums + k * s.slot;
        if (carry.sums) (B::load(sums, s.gate_row) + d[k]).store(sums, s.gate_row);
    }
    store_gates(d, s);
}

template <class A>
struct Lstm {
    using X = Slots4;
    using H = Slots4;
    static constexpr int n_gates = 4, n_states = 2, n_parts = 2;
    static constexpr bool carries_h = false;  // h reaches the step before through the gates alone

    template <bool keep, class B>
    static SEQAE_INLINE void forward(const B (&sums)[4], const Spot<B>& s) {
        const B gates[4] = {sigmoid(sums[0]), sigmoid(sums[1]), A::of(sums[2]), sigmoid(sums[3])};
        const auto& [i, f, g, o] = gates;
        const B c_before = B::load(s.before + s.part, s.row);
        B c = fma(f, c_before, i * g);
        B h = o * A::of(c);
        if (!s.is_full) {
            c = select(s.running, c, c_before);
            h = select(s.running, h, B::load(s.before, s.row));
        }
        h.store(s.after, s.row);
        c.store(s.after + s.part, s.row);
        if constexpr (keep) store_gates(gates, s);
    }

    template <class B>
    static SEQAE_INLINE void backward(const B& dh, const Spot<B>& s, const Carry<typename B::Value>& carry) {
        B gates[4];
        load_gates(gates, s);
        const auto& [i, f, g, o] = gates;
        const B one = B::broadcast(1);
        const B h = B::load(s.after, s.row), a = h / o;  // which takes less time than to store a
        const B dc_after = B::load(carry.state + s.part, s.row);
        const B dc = fma(dh * o, A::derivative(a), dc_after);
        B dc_before = dc * f;
        const B dc_i = dc * i;
        B d[4] = {dc_i * g * (one - i), dc_before * B::load(s.before + s.part, s.row) * (one - f),
                  dc_i * A::derivative(g), dh * h * (one - o)};
        if (!s.is_full) dc_before = select(s.running, dc_before, dc_after);
        dc_before.store(carry.state + s.part, s.row);
        store_gate_gradients(d, s, carry);
    }
};

template <class A>
struct Gru {
    using X = SlotsX;
    using H = SlotsH;
    static constexpr int n_gates = 3, n_states = 1, n_parts = 1;
    static constexpr bool carries_h = true;

    template <bool keep, class B>
    static SEQAE_INLINE void forward(const B (&sums)[4], const Spot<B>& s) {
        const B r = sigmoid(sums[0]), z = sigmoid(sums[1]), n = A::of(fma(r, sums[3], sums[2]));
        const B h_before = B::load(s.before, s.row);
        B h = fma(z, h_before - n, n);
        if (!s.is_full) h = select(s.running, h, h_before);
        h.store(s.after, s.row);
        if constexpr (keep) store_gates({r, z, n, sums[3]}, s);
    }

    template <class B>
    static SEQAE_INLINE void backward(const B& dh, const Spot<B>& s, const Carry<typename B::Value>& carry) {
        B gates[4];
        load_gates(gates, s);
        const auto& [r, z, n, n_h] = gates;
        const B one = B::broadcast(1);
        const B d_z = dh * (B::load(s.before, s.row) - n) * z * (one - z);
        const B d_n = dh * (one - z) * A::derivative(n), d_n_h = d_n * r;
        B d[4] = {d_n_h * n_h * (one - r), d_z, d_n, d_n_h};
        B dh_before = dh * z;
        if (!s.is_full) dh_before = select(s.running, dh_before, B::load(carry.state, s.row));
        dh_before.store(carry.state, s.row);
        store_gate_gradients(d, s, carry);
    }
};
