#define SEQAE_SCALAR
#define SEQAE_KERNEL scalar
#include "sequencewise.inl.h"
