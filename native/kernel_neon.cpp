#define SEQAE_NEON
#define SEQAE_KERNEL neon
#include "kernel.inl.h"
