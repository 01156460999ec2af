// A pool of threads that wakes quickly, survives a fork and may be called from several threads at once.
#pragma once

namespace seqae {

// Runs job(context, i, worker) for i in 0..n_jobs-1, each once, on up to n_threads threads of which the caller is one;
// worker < n_threads tells them apart. The assignment of jobs to threads is arbitrary: no result may depend on it.
void run_jobs(int n_jobs, int n_threads, void (*job)(void* context, int i, int worker), void* context);

template <class F>
void parallel_for(int n_jobs, int n_threads, F&& f) {
    run_jobs(
        n_jobs, n_threads, [](void* context, int i, int worker) { (*static_cast<F*>(context))(i, worker); }, &f);
}

}  // namespace seqae
