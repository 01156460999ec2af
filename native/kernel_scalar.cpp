#define SEQAE_SCALAR
#define SEQAE_KERNEL scalar
#include "kernel.inl.h"
