#define SEQAE_AVX512
#define SEQAE_KERNEL avx512
#include "sequencewise.inl.h"
