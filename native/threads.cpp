#include "threads.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>

namespace seqae {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto spin_time = std::chrono::microseconds(200);  // longer than the time between two calls in a training step

constexpr int n_pauses = 1000;

inline void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// The jobs of one call in one word, so that taking a job and checking its call are one atomic operation. A helper that
// wakes late then finds nothing to do, and nobody waits for it.
struct Ticket {
    static constexpr int job_bits = 24, most_jobs = (1 << job_bits) - 1, most_helpers = 0xffff;
    std::uint64_t word;

    static Ticket of(int n_jobs, int n_helpers) {
        return {std::uint64_t(n_helpers) << 2 * job_bits | std::uint64_t(n_jobs) << job_bits};
    }
    int next() const { return int(word & most_jobs); }
    int n_jobs() const { return int(word >> job_bits & most_jobs); }
    int n_helpers() const { return int(word >> 2 * job_bits); }
    bool has_job_for(int worker) const { return next() < n_jobs() && worker <= n_helpers(); }
};

// A helper may wake on any core except its waker's. On virtual machines idle cores look busy, so the system often wakes
// it behind its waker, which does not wait; it would then help some milliseconds later.
class Berth {
public:
    // by the helper, which is about to sleep
    void take() {
        is_asleep_ = true;
#if defined(__linux__)
        thread_ = pthread_self();
        if (sched_getaffinity(0, sizeof allowed_, &allowed_) != 0) CPU_ZERO(&allowed_);
#endif
    }

    // by the thread that is about to wake it
    void keep_off_this_core() {
#if defined(__linux__)
        const int here = sched_getcpu();
        if (!is_asleep_ || here < 0) return;
        cpu_set_t others = allowed_;
        CPU_CLR(here, &others);
        is_moved_ = CPU_COUNT(&others) > 0 && pthread_setaffinity_np(thread_, sizeof others, &others) == 0;
#endif
    }

    // by the helper, which has woken
    void leave() {
        is_asleep_ = false;
#if defined(__linux__)
        if (is_moved_) sched_setaffinity(0, sizeof allowed_, &allowed_);
        is_moved_ = false;
#endif
    }

private:
    bool is_asleep_ = false;
#if defined(__linux__)
    bool is_moved_ = false;
    pthread_t thread_;
    cpu_set_t allowed_;
#endif
};

class Pool {
public:
    std::mutex in_use;  // held by the one caller whose jobs run

    void run(int n_jobs, int n_threads, void (*job)(void*, int, int), void* context) {
        const int n_helpers = start(n_threads - 1);
        job_ = job, context_ = context;
        n_done_.store(0, std::memory_order_relaxed);
        {
            const std::lock_guard lock(mutex_);
            for (int i = 0; i < n_helpers; ++i) berths_[i].keep_off_this_core();
            ticket_.store(Ticket::of(n_jobs, n_helpers).word, std::memory_order_release);
        }
        wake_.notify_all();
        work(0);
        // with more threads than cores, a helper may need the core that waits for it
        for (int i = 0; n_done_.load(std::memory_order_acquire) != n_jobs; ++i)
            if (i < n_pauses) pause();
            else
                std::this_thread::yield();
    }

private:
    [[noreturn]] void serve(int worker) {
        for (;;) {
            await(worker);
            work(worker);
        }
    }

    void work(int worker) {
        for (Ticket ticket{ticket_.load(std::memory_order_acquire)}; ticket.has_job_for(worker);) {
            if (!ticket_.compare_exchange_weak(ticket.word, ticket.word + 1, std::memory_order_acquire)) continue;
            job_(context_, ticket.next(), worker);
            n_done_.fetch_add(1, std::memory_order_release);
            ticket.word = ticket_.load(std::memory_order_acquire);
        }
    }

    void await(int worker) {
        const auto has_job = [&] { return Ticket{ticket_.load(std::memory_order_acquire)}.has_job_for(worker); };
        for (const auto end = Clock::now() + spin_time; Clock::now() < end;)
            for (int i = 0; i < 32; ++i, pause())
                if (has_job()) return;
        std::unique_lock lock(mutex_);
        Berth& berth = berths_[worker - 1];
        while (!has_job()) {
            berth.take();
            wake_.wait(lock);
            berth.leave();
        }
    }

    // Has n helpers, or as many as the system allows: fewer do the same work, later.
    int start(int n) {
        for (; n_threads_ < n; ++n_threads_) {
            {
                const std::lock_guard lock(mutex_);
                berths_.emplace_back();
            }
            try {
                std::thread(&Pool::serve, this, n_threads_ + 1).detach();
            } catch (const std::system_error&) {
                const std::lock_guard lock(mutex_);
                berths_.pop_back();
                break;
            }
        }
        return std::min(n, n_threads_);
    }

    void (*job_)(void*, int, int) = nullptr;
    void* context_ = nullptr;
    int n_threads_ = 0;
    std::atomic<int> n_done_{0};
    std::atomic<std::uint64_t> ticket_{0};
    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<Berth> berths_;  // of the helpers; they stay where they are as it grows
};

std::atomic<Pool*> shared{nullptr};

// A fork copies the pool but not its threads: the child ignores the old pool and starts a new one when it needs it.
Pool& pool() {
    static const int at_fork = pthread_atfork(nullptr, nullptr, [] { shared.store(nullptr); });
    (void)at_fork;
    Pool* now = shared.load();
    if (now) return *now;
    Pool* const fresh = new Pool;  // never destroyed: its threads sleep until the process ends
    if (shared.compare_exchange_strong(now, fresh)) return *fresh;
    delete fresh;
    return *now;
}

}  // namespace

void run_jobs(int n_jobs, int n_threads, void (*job)(void*, int, int), void* context) {
    n_threads = std::min({n_threads, n_jobs, Ticket::most_helpers});
    if (n_threads > 1 && n_jobs <= Ticket::most_jobs) {
        Pool& threads = pool();
        // another Python thread uses the pool: this caller does its jobs alone
        if (const std::unique_lock lock(threads.in_use, std::try_to_lock); lock.owns_lock())
            return threads.run(n_jobs, n_threads, job, context);
    }
    for (int i = 0; i < n_jobs; ++i) job(context, i, 0);
}

}  // namespace seqae
