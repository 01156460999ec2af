#define SEQAE_NEON
#define SEQAE_KERNEL neon
#include "sequencewise.inl.h"
