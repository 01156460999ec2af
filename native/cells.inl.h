// What one step of an LSTM or GRU does to a vector once its gates are summed, and the way back.
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
// h, then (LSTM) c and a = activation(c), then four parts of gates. Without gradients only h and c are there.
template <class T>
struct Spot {
    const T* before;  // h of the step before, of the unit (wide) or units (narrow) at hand
    T* after;         // h of this step
    T* gates;         // slot 0 of this step
    std::int64_t part, slot;         // distances from one part, and from one slot, to the next
    typename Vec<T>::Mask running;   // lanes that have this step; the others keep their state
    bool is_full;                    // whether that is all of them
};

// What the backward pass carries from step to step. Distances as in Spot.
template <class T>
struct Carry {
    T* state;  // gradients of h (GRU, and lanes that have not begun) and c
    T* sums;   // of the gates' gradients over all steps; null: not wanted
};

template <class T, class A>
struct Lstm {
    using V = Vec<T>;
    using X = Slots4;
    using H = Slots4;
    static constexpr int n_gates = 4, n_states = 2, n_parts = 3;
    static constexpr bool carries_h = false;  // h reaches the step before through the gates alone

    template <bool keep>
    static SEQAE_INLINE void forward(const V (&sums)[4], const Spot<T>& s) {
        const V i = sigmoid(sums[0]), f = sigmoid(sums[1]), g = A::of(sums[2]), o = sigmoid(sums[3]);
        const V c_before = V::load(s.before + s.part);
        V c = fma(f, c_before, i * g);
        const V a = A::of(c);
        V h = o * a;
        if (!s.is_full) {
            c = select(s.running, c, c_before);
            h = select(s.running, h, V::load(s.before));
        }
        h.store(s.after);
        c.store(s.after + s.part);
        if constexpr (!keep) return;
        a.store(s.after + 2 * s.part);
        i.store(s.gates), f.store(s.gates + s.slot), g.store(s.gates + 2 * s.slot), o.store(s.gates + 3 * s.slot);
    }

    static SEQAE_INLINE void backward(V dh, const Spot<T>& s, const Carry<T>& carry) {
        const V i = V::load(s.gates), f = V::load(s.gates + s.slot);
        const V g = V::load(s.gates + 2 * s.slot), o = V::load(s.gates + 3 * s.slot);
        const V a = V::load(s.after + 2 * s.part), one = V::broadcast(1);
        const V dc_after = V::load(carry.state + s.part);
        const V dc = fma(dh * o, A::derivative(a), dc_after);
        V dc_before = dc * f;
        const V dc_i = dc * i;
        V d[4];
        d[0] = dc_i * g * (one - i);
        d[1] = dc_before * V::load(s.before + s.part) * (one - f);
        d[2] = dc_i * A::derivative(g);
        d[3] = dh * a * o * (one - o);
        if (!s.is_full) dc_before = select(s.running, dc_before, dc_after);
        dc_before.store(carry.state + s.part);
        store_gates(d, s, carry);
    }

    static SEQAE_INLINE void store_gates(V (&d)[4], const Spot<T>& s, const Carry<T>& carry) {
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k) {
            if (!s.is_full) d[k] = select(s.running, d[k], V::broadcast(0));
            d[k].store(s.gates + k * s.slot);
            if (carry.sums) (V::load(carry.sums + k * s.slot) + d[k]).store(carry.sums + k * s.slot);
        }
    }
};

template <class T, class A>
struct Gru {
    using V = Vec<T>;
    using X = SlotsX;
    using H = SlotsH;
    static constexpr int n_gates = 3, n_states = 1, n_parts = 1;
    static constexpr bool carries_h = true;

    template <bool keep>
    static SEQAE_INLINE void forward(const V (&sums)[4], const Spot<T>& s) {
        const V r = sigmoid(sums[0]), z = sigmoid(sums[1]), n = A::of(fma(r, sums[3], sums[2]));
        const V h_before = V::load(s.before);
        V h = fma(z, h_before - n, n);
        if (!s.is_full) h = select(s.running, h, h_before);
        h.store(s.after);
        if constexpr (!keep) return;
        r.store(s.gates), z.store(s.gates + s.slot);
        n.store(s.gates + 2 * s.slot), sums[3].store(s.gates + 3 * s.slot);
    }

    static SEQAE_INLINE void backward(V dh, const Spot<T>& s, const Carry<T>& carry) {
        const V r = V::load(s.gates), z = V::load(s.gates + s.slot);
        const V n = V::load(s.gates + 2 * s.slot), n_h = V::load(s.gates + 3 * s.slot), one = V::broadcast(1);
        V d[4];
        d[1] = dh * (V::load(s.before) - n) * z * (one - z);
        d[2] = dh * (one - z) * A::derivative(n);
        d[3] = d[2] * r;
        d[0] = d[3] * n_h * (one - r);
        V dh_before = dh * z;
        if (!s.is_full) dh_before = select(s.running, dh_before, V::load(carry.state));
        dh_before.store(carry.state);
        Lstm<T, A>::store_gates(d, s, carry);
    }
};
