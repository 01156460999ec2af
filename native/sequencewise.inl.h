// What the kernel does with whole sequences, for one instruction set: sequencewise_X.cpp defines SEQAE_X and SEQAE_KERNEL.
// Everything is in an unnamed namespace: code for one instruction set must never be linked in place of another's.
#include <cmath>
#include <cstdint>
#include <type_traits>

#if defined(SEQAE_AVX512) || defined(SEQAE_AVX2)
#include <immintrin.h>
#elif defined(SEQAE_NEON)
#include <arm_neon.h>
#endif

#include "dispatch.h"
#include "memory.h"
#include "sequencewise.h"
#include "threads.h"

namespace seqae {
namespace {
#include "vec.h"
// after vec.h
#include "packing.inl.h"
// after packing.inl.h
#include "channels.inl.h"
#include "curves.inl.h"
// after channels.inl.h
#include "affine.inl.h"
#include "convolutions.inl.h"
}  // namespace

#define SEQAE_JOIN_OF(kernel, value) kernel##_##value
#define SEQAE_JOIN(kernel, value) SEQAE_JOIN_OF(kernel, value)

extern const SequencewiseOperations SEQAE_JOIN(SEQAE_KERNEL, sequencewise);
const SequencewiseOperations SEQAE_JOIN(SEQAE_KERNEL, sequencewise) = {
    grid_read, grid_write, grid_gram, resample, convolution_shares, convolution_outputs, statistics,
    affine<float>, affine<double>};

}  // namespace seqae
