#include "memory.h"

#include <pthread.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace seqae {
namespace {

constexpr std::size_t huge_page = std::size_t(2) << 20;
constexpr std::size_t most_kept = std::size_t(256) << 20;  // bytes that idle blocks may hold
constexpr std::size_t most_blocks = 64;

struct Idle {
    void* data;
    std::size_t capacity;
};

struct Pool {
    std::mutex mutex;
    std::vector<Idle> blocks;
    std::size_t n_bytes = 0;
};

Pool& pool() {
    static Pool* const shared = new Pool;  // never destroyed: tapes may outlive static objects
    // a child of a fork gets the pool between two uses, not during one by another thread
    static const int at_fork = pthread_atfork([] { shared->mutex.lock(); }, [] { shared->mutex.unlock(); },
                                              [] { shared->mutex.unlock(); });
    (void)at_fork;
    return *shared;
}

std::size_t round_up(std::size_t n_bytes) {
    const std::size_t unit = n_bytes < huge_page ? 4096 : huge_page;
    return (n_bytes + unit - 1) / unit * unit;
}

// The most recently used block, which is most in cache, of those that are large enough and not much too large.
Idle take(std::size_t capacity) {
    Pool& shared = pool();
    const std::lock_guard lock(shared.mutex);
    const auto fits = [=](const Idle& idle) { return idle.capacity >= capacity && idle.capacity / 8 <= capacity; };
    const auto last = std::find_if(shared.blocks.rbegin(), shared.blocks.rend(), fits);
    if (last == shared.blocks.rend()) return {nullptr, 0};
    const Idle taken = *last;
    shared.blocks.erase(std::next(last).base());
    shared.n_bytes -= taken.capacity;
    return taken;
}

// Stores a block; the longest idle ones are freed to make room.
void give(Idle block) {
    Pool& shared = pool();
    const std::lock_guard lock(shared.mutex);
    shared.blocks.push_back(block);
    shared.n_bytes += block.capacity;
    while (shared.blocks.size() > most_blocks || shared.n_bytes > most_kept) {
        std::free(shared.blocks.front().data);
        shared.n_bytes -= shared.blocks.front().capacity;
        shared.blocks.erase(shared.blocks.begin());
    }
}

}  // namespace

Block::Block(std::size_t n_bytes) {
    if (n_bytes == 0) return;
    const Idle idle = take(round_up(n_bytes));
    data_ = idle.data, capacity_ = idle.capacity;
    if (data_) return;
    capacity_ = round_up(n_bytes);
    const bool is_large = capacity_ >= huge_page;
    data_ = std::aligned_alloc(is_large ? huge_page : 4096, capacity_);
    if (!data_) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
    if (is_large) madvise(data_, capacity_, MADV_HUGEPAGE);
#endif
}

Block::Block(Block&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), capacity_(std::exchange(other.capacity_, 0)) {}

Block& Block::operator=(Block&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(capacity_, other.capacity_);
    return *this;
}

Block::~Block() {
    if (data_) give({data_, capacity_});
}

}  // namespace seqae
