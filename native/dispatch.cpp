#include "dispatch.h"

#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

namespace seqae {

#define SEQAE_DECLARE(name)                       \
    extern const Operations<float> name##_float;   \
    extern const Operations<double> name##_double; \
    extern const SequencewiseOperations name##_sequencewise;
SEQAE_DECLARE(avx512)
SEQAE_DECLARE(avx2)
SEQAE_DECLARE(neon)
SEQAE_DECLARE(scalar)

namespace {

struct Candidate {
    Kernel kernel;
    bool (*runs_here)();
};

#define SEQAE_KERNEL_OF(name) {#name, &name##_float, &name##_double, &name##_sequencewise}

// __builtin_cpu_supports also asks whether the operating system saves the registers
const Candidate candidates[] = {
#ifdef SEQAE_HAS_AVX512
    {SEQAE_KERNEL_OF(avx512),
     [] {
         return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
     }},
#endif
#ifdef SEQAE_HAS_AVX2
    {SEQAE_KERNEL_OF(avx2), [] { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }},
#endif
#ifdef SEQAE_HAS_NEON
    {SEQAE_KERNEL_OF(neon), [] { return true; }},  // part of every 64-bit ARM
#endif
#ifdef SEQAE_HAS_SCALAR
    {SEQAE_KERNEL_OF(scalar), [] { return true; }},
#endif
};

std::vector<const Kernel*> find_runnable() {
    std::vector<const Kernel*> found;
    for (const Candidate& candidate : candidates)
        if (candidate.runs_here()) found.push_back(&candidate.kernel);
    return found;
}

}  // namespace

std::span<const Kernel* const> runnable_kernels() {
    static const std::vector<const Kernel*> found = find_runnable();
    return found;
}

// The C library's environment follows os.environ, and answers ten times as fast.
const char* forced_kernel() {
    const char* const name = std::getenv("SEQAE_KERNEL");
    return name ? name : "";
}

const Kernel& active_kernel() {
    const char* const name = forced_kernel();
    for (const Kernel* kernel : runnable_kernels())
        if (!*name || std::strcmp(kernel->name, name) == 0) return *kernel;
    throw std::invalid_argument(std::string("kernel ") + name + " cannot run on this machine");
}

}  // namespace seqae
