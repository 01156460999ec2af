// The whole kernel for one instruction set: kernel_X.cpp defines SEQAE_X and SEQAE_KERNEL, and is compiled for X, once
// with SEQAE_VALUE float and once double.
// Everything is in an unnamed namespace: code for one instruction set must never be linked in place of another's.
#include <cstdint>
#include <type_traits>

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
#include "bundle.inl.h"
#include "cells.inl.h"
#include "transposes.inl.h"
// after transposes.inl.h
#include "lanes.inl.h"
#include "packing.inl.h"
#include "wide.inl.h"
#include "weight_gradients.inl.h"
// after weight_gradients.inl.h
#include "wide_backward.inl.h"
// after wide_backward.inl.h
#include "narrow.inl.h"
#include "forward.inl.h"
#include "backward.inl.h"
#include "recurrence.inl.h"
#include "symbols.inl.h"
#include "training.inl.h"
// after training.inl.h
#include "attention.inl.h"
}  // namespace

#define SEQAE_JOIN_OF(kernel, value) kernel##_##value
#define SEQAE_JOIN(kernel, value) SEQAE_JOIN_OF(kernel, value)

extern const Operations<SEQAE_VALUE> SEQAE_JOIN(SEQAE_KERNEL, SEQAE_VALUE);
const Operations<SEQAE_VALUE> SEQAE_JOIN(SEQAE_KERNEL, SEQAE_VALUE) = {
    forward<SEQAE_VALUE>, backward<SEQAE_VALUE>, choose<SEQAE_VALUE>,    gather<SEQAE_VALUE>,
    linear<SEQAE_VALUE>,  attend<SEQAE_VALUE>,   mean_loss<SEQAE_VALUE>, adam_step<SEQAE_VALUE>};

}  // namespace seqae
