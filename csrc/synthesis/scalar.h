// Vectors without instructions of their own.
#define NQ_TARGET

// SSE2 multiplies pairs of int16, which compilers find in plain loops; it has no 32-bit product, which NEON has.
#if defined(__SSE2__) && !defined(NQ_PORTABLE_VECTORS)
#include "synthesis/baseline.h"
#else
#include "synthesis/portable.h"
#endif
