// Attention of each query over the memory of its own sequence: c = sum over j of softmax_j(scale q . m_j) m_j.
// Each sequence is computed alone, in an order given by its lengths only; the backward pass recomputes the weights.

// One sequence at a time, a block of queries at a time; rows are padded with zeros to whole vectors.
template <class T>
class Attention {
public:
    static constexpr int n_rows = 8;  // queries that share the loads of the memory

    Attention(const AttentionProblem<T>& p, std::int64_t most_memories, T* room)
        : p_(p), size_(int(round_up(p.size, width))) {
        Arena<T> arena{room};
        lay_out(arena, most_memories);
        n_taken = arena.n_taken;
    }

    // query, memory: the first rows of the sequence
    void forward(std::int64_t query, std::int64_t n_queries, std::int64_t memory, std::int64_t n_memories) {
        read_memory(memory, n_memories);
        for (std::int64_t first = 0; first < n_queries; first += n_rows) {
            const int n = int(n_queries - first < n_rows ? n_queries - first : n_rows);
            read_rows(p_.queries, query + first, n, queries_);
            weigh();
            mix(weights_, p_.contexts + (query + first) * p_.size, n);
        }
    }

    void backward(std::int64_t query, std::int64_t n_queries, std::int64_t memory, std::int64_t n_memories) {
        read_memory(memory, n_memories);
        fill_zero(gradients_, n_ * size_);
        for (std::int64_t first = 0; first < n_queries; first += n_rows) {
            const int n = int(n_queries - first < n_rows ? n_queries - first : n_rows);
            read_rows(p_.queries, query + first, n, queries_);
            read_rows(p_.of_contexts, query + first, n, of_contexts_);
            weigh();
            products(of_contexts_, T(1), of_scores_);
            for (int r = 0; r < n_rows; ++r) through_softmax(weights_ + r * padded_, of_scores_ + r * padded_);
            mix(of_scores_, p_.of_queries + (query + first) * p_.size, n);
            add_to_memory();
        }
        for (std::int64_t j = 0; j < n_; ++j)
            for (int k = 0; k < p_.size; ++k) p_.of_memory[(memory + j) * p_.size + k] = gradients_[j * size_ + k];
    }

    std::int64_t n_taken = 0;

private:
    using V = Vec<T>;
    static constexpr int width = V::width;

    void lay_out(Arena<T>& arena, std::int64_t most_memories) {
        const std::int64_t padded = round_up(most_memories, width);
        memory_ = arena.take(most_memories * size_);
        transposed_ = arena.take(p_.size * padded);
        weights_ = arena.take(n_rows * padded);
        of_scores_ = arena.take(n_rows * padded);
        queries_ = arena.take(n_rows * size_);
        of_contexts_ = arena.take(n_rows * size_);
        gradients_ = arena.take(p_.of_memory ? most_memories * size_ : 0);
    }

    void read_memory(std::int64_t memory, std::int64_t n) {
        n_ = n, padded_ = round_up(n, width);
        fill_zero(memory_, n * size_);
        fill_zero(transposed_, p_.size * padded_);
        for (std::int64_t j = 0; j < n; ++j)
            for (int k = 0; k < p_.size; ++k)
                memory_[j * size_ + k] = transposed_[k * padded_ + j] = p_.memory[(memory + j) * p_.size + k];
    }

    void read_rows(const T* from, std::int64_t first, int n, T* rows) const {
        fill_zero(rows, n_rows * size_);
        for (int r = 0; r < n; ++r)
            for (int k = 0; k < p_.size; ++k) rows[r * size_ + k] = from[(first + r) * p_.size + k];
    }

    // out[r][j] = factor * rows[r] . m_j
    void products(const T* rows, T factor, T* out) const {
        for (std::int64_t j = 0; j < padded_; j += width) {
            V acc[n_rows];
            for (int r = 0; r < n_rows; ++r) acc[r] = V::broadcast(0);
            for (int k = 0; k < p_.size; ++k) {
                const V m = V::load(transposed_ + k * padded_ + j);
#pragma GCC unroll 8
                for (int r = 0; r < n_rows; ++r) acc[r] = fma(V::broadcast(rows[r * size_ + k]), m, acc[r]);
            }
            for (int r = 0; r < n_rows; ++r) (acc[r] * V::broadcast(factor)).store(out + r * padded_ + j);
        }
    }

    void weigh() {
        products(queries_, p_.scale, weights_);
        for (int r = 0; r < n_rows; ++r) softmax(weights_ + r * padded_);
    }

    void softmax(T* row) const {
        T largest = row[0];
        for (std::int64_t j = 1; j < n_; ++j) largest = row[j] > largest ? row[j] : largest;
        V total = V::broadcast(0);
        for (std::int64_t j = 0; j < padded_; j += width) {
            const V e = select(V::first(int(n_ - j < width ? n_ - j : width)),
                               exponential(V::load(row + j) - V::broadcast(largest)), V::broadcast(0));
            total = total + e;
            e.store(row + j);
        }
        const V whole = V::broadcast(sum(total));
        for (std::int64_t j = 0; j < padded_; j += width) (V::load(row + j) / whole).store(row + j);
    }

    // of_weights becomes the gradient of the product that the memory was weighed by
    void through_softmax(const T* weights, T* of_weights) const {
        V mean = V::broadcast(0);
        for (std::int64_t j = 0; j < padded_; j += width)
            mean = fma(V::load(weights + j), V::load(of_weights + j), mean);
        const V whole = V::broadcast(sum(mean)), factor = V::broadcast(p_.scale);
        for (std::int64_t j = 0; j < padded_; j += width)
            (factor * (V::load(weights + j) * (V::load(of_weights + j) - whole))).store(of_weights + j);
    }

    // out[r] = sum over j of weights[r][j] m_j, of the first n rows
    void mix(const T* weights, T* out, int n) const {
        for (int k = 0; k < size_; k += width) {
            V acc[n_rows];
            for (int r = 0; r < n_rows; ++r) acc[r] = V::broadcast(0);
            for (std::int64_t j = 0; j < n_; ++j) {
                const V m = V::load(memory_ + j * size_ + k);
#pragma GCC unroll 8
                for (int r = 0; r < n_rows; ++r) acc[r] = fma(V::broadcast(weights[r * padded_ + j]), m, acc[r]);
            }
            for (int r = 0; r < n; ++r) {
                T values[width];
                acc[r].store(values);
                for (int i = 0; i < width && k + i < p_.size; ++i) out[std::int64_t(r) * p_.size + k + i] = values[i];
            }
        }
    }

    // of m_j: its weight's part of each context, and its score's part of each query; missing rows are 0
    void add_to_memory() {
        for (int k = 0; k < size_; k += width) {
            V of_contexts[n_rows], queries[n_rows];
            for (int r = 0; r < n_rows; ++r) {
                of_contexts[r] = V::load(of_contexts_ + r * size_ + k);
                queries[r] = V::load(queries_ + r * size_ + k);
            }
            for (std::int64_t j = 0; j < n_; ++j) {
                V acc = V::load(gradients_ + j * size_ + k);
#pragma GCC unroll 8
                for (int r = 0; r < n_rows; ++r) {
                    acc = fma(V::broadcast(weights_[r * padded_ + j]), of_contexts[r], acc);
                    acc = fma(V::broadcast(of_scores_[r * padded_ + j]), queries[r], acc);
                }
                acc.store(gradients_ + j * size_ + k);
            }
        }
    }

    const AttentionProblem<T>& p_;
    const std::int64_t size_;
    std::int64_t n_ = 0, padded_ = 0;  // memories of the sequence, and with padding
    T *memory_, *transposed_, *weights_, *of_scores_, *queries_, *of_contexts_, *gradients_;
};

template <class T>
void attend(const AttentionProblem<T>& p, int n_threads) {
    std::int64_t most = 0;
    const Block starts(2 * (p.n_sequences + 1) * sizeof(std::int64_t));  // where each sequence begins
    std::int64_t *const queries = starts.as<std::int64_t>(), *const memories = queries + p.n_sequences + 1;
    queries[0] = memories[0] = 0;
    for (std::int64_t i = 0; i < p.n_sequences; ++i) {
        queries[i + 1] = queries[i] + p.n_queries[i], memories[i + 1] = memories[i] + p.n_memories[i];
        most = p.n_memories[i] > most ? p.n_memories[i] : most;
    }
    const std::int64_t room = round_up(Attention<T>(p, most, nullptr).n_taken, 64);
    const Block memory(room * n_threads * sizeof(T));
    parallel_for(int(p.n_sequences), n_threads, [&](int i, int worker) {
        Attention<T> attention(p, most, memory.as<T>() + room * worker);
        if (p.of_contexts) attention.backward(queries[i], p.n_queries[i], memories[i], p.n_memories[i]);
        else
            attention.forward(queries[i], p.n_queries[i], memories[i], p.n_memories[i]);
    });
}
