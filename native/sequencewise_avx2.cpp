#define SEQAE_AVX2
#define SEQAE_KERNEL avx2
#include "sequencewise.inl.h"
