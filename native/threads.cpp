#include "threads.h"

#include <pthread.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

namespace seqae {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto spin_time = std::chrono::microseconds(200);  // longer than what a training step does between two calls

constexpr int n_pauses = 1000;

inline void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

class Pool {
public:
    std::mutex in_use;  // held by the one caller whose jobs run

    void run(int n_jobs, int n_threads, void (*job)(void*, int, int), void* context) {
        start(n_threads - 1);
        job_ = job, context_ = context, n_jobs_ = n_jobs, n_helpers_ = n_threads - 1;
        next_.store(0, std::memory_order_relaxed);
        n_running_.store(n_threads_, std::memory_order_relaxed);
        {
            const std::lock_guard lock(mutex_);
            round_.fetch_add(1, std::memory_order_release);
        }
        wake_.notify_all();
        work(0);
        await_helpers();
    }

private:
    // Every thread of the pool takes note of every round, so that none can still be reading one when the next begins.
    void serve(int worker, std::uint64_t seen) {
        for (;; ++seen) {
            await(seen);
            if (worker <= n_helpers_) work(worker);
            n_running_.fetch_sub(1, std::memory_order_release);
        }
    }

    void work(int worker) {
        for (int i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < n_jobs_;) job_(context_, i, worker);
    }

    // Where there are more threads than cores, a helper may need the core that waits for it.
    void await_helpers() {
        for (int i = 0; n_running_.load(std::memory_order_acquire) != 0; ++i)
            if (i < n_pauses) pause();
            else
                std::this_thread::yield();
    }

    void await(std::uint64_t seen) {
        const auto is_new = [&] { return round_.load(std::memory_order_acquire) != seen; };
        for (const auto end = Clock::now() + spin_time; Clock::now() < end;)
            for (int i = 0; i < 32; ++i, pause())
                if (is_new()) return;
        std::unique_lock lock(mutex_);
        wake_.wait(lock, is_new);
    }

    void start(int n_threads) {
        for (; n_threads_ < n_threads; ++n_threads_) {
            const auto seen = round_.load(std::memory_order_relaxed);
            std::thread(&Pool::serve, this, n_threads_ + 1, seen).detach();
        }
    }

    void (*job_)(void*, int, int) = nullptr;
    void* context_ = nullptr;
    int n_jobs_ = 0, n_helpers_ = 0, n_threads_ = 0;
    std::atomic<int> next_{0}, n_running_{0};
    std::atomic<std::uint64_t> round_{0};
    std::mutex mutex_;
    std::condition_variable wake_;
};

std::atomic<Pool*> shared{nullptr};

// A fork copies the pool but not its threads: the child leaves the old one be and starts another when it needs it.
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
    if (n_threads > n_jobs) n_threads = n_jobs;
    if (n_threads > 1) {
        Pool& threads = pool();
        // where another Python thread is at work, the cores are busy: this caller does its jobs alone
        if (const std::unique_lock lock(threads.in_use, std::try_to_lock); lock.owns_lock())
            return threads.run(n_jobs, n_threads, job, context);
    }
    for (int i = 0; i < n_jobs; ++i) job(context, i, 0);
}

}  // namespace seqae
