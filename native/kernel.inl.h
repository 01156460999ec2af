// The whole kernel for one instruction set: kernel_X.cpp defines SEQAE_X and SEQAE_KERNEL, and is compiled for X.
// Everything is in an unnamed namespace: code for one instruction set must never be linked in place of another's.
#include <cstdint>

#if defined(SEQAE_AVX512) || defined(SEQAE_AVX2)
#include <immintrin.h>
#elif defined(SEQAE_NEON)
#include <arm_neon.h>
#endif

#include "dispatch.h"
#include "threads.h"

namespace seqae {
namespace {
#include "vec.h"
// after vec.h
#include "activations.inl.h"
#include "cells.inl.h"
#include "lanes.inl.h"
#include "packing.inl.h"
#include "wide.inl.h"
#include "wide_backward.inl.h"
// after wide_backward.inl.h
#include "narrow.inl.h"
#include "forward.inl.h"
#include "backward.inl.h"
#include "recurrence.inl.h"
#include "training.inl.h"
}  // namespace

#define SEQAE_OPERATIONS(T) {forward<T>, backward<T>, gather<T>, linear<T>, mean_loss<T>, adam_step<T>}
#define SEQAE_STRING_OF(name) #name
#define SEQAE_STRING(name) SEQAE_STRING_OF(name)
#define SEQAE_JOIN_OF(a, b) a##b
#define SEQAE_JOIN(a, b) SEQAE_JOIN_OF(a, b)

extern const Kernel SEQAE_JOIN(SEQAE_KERNEL, _kernel);
const Kernel SEQAE_JOIN(SEQAE_KERNEL, _kernel) = {SEQAE_STRING(SEQAE_KERNEL), SEQAE_OPERATIONS(float),
                                                  SEQAE_OPERATIONS(double)};

}  // namespace seqae
