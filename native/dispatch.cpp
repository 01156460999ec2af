#include "dispatch.h"

#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

namespace seqae {

#ifdef SEQAE_HAS_AVX512
extern const Kernel avx512_kernel;
#endif
#ifdef SEQAE_HAS_AVX2
extern const Kernel avx2_kernel;
#endif
#ifdef SEQAE_HAS_NEON
extern const Kernel neon_kernel;
#endif
#ifdef SEQAE_HAS_SCALAR
extern const Kernel scalar_kernel;
#endif

namespace {

struct Candidate {
    const Kernel* kernel;
    bool (*runs_here)();
};

// __builtin_cpu_supports also asks whether the operating system saves the registers
constexpr Candidate candidates[] = {
#ifdef SEQAE_HAS_AVX512
    {&avx512_kernel,
     [] {
         return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
     }},
#endif
#ifdef SEQAE_HAS_AVX2
    {&avx2_kernel, [] { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }},
#endif
#ifdef SEQAE_HAS_NEON
    {&neon_kernel, [] { return true; }},  // part of every 64-bit ARM
#endif
#ifdef SEQAE_HAS_SCALAR
    {&scalar_kernel, [] { return true; }},
#endif
};

std::vector<const Kernel*> find_runnable() {
    std::vector<const Kernel*> found;
    for (const Candidate& candidate : candidates)
        if (candidate.runs_here()) found.push_back(candidate.kernel);
    return found;
}

}  // namespace

std::span<const Kernel* const> runnable_kernels() {
    static const std::vector<const Kernel*> found = find_runnable();
    return found;
}

const Kernel& kernel_named(const char* name) {
    for (const Kernel* kernel : runnable_kernels())
        if (std::strcmp(kernel->name, name) == 0) return *kernel;
    throw std::invalid_argument(std::string("kernel ") + name + " cannot run on this machine");
}

}  // namespace seqae
