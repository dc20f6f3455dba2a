// Synthesis kernels without instructions of their own: what every machine runs, and what the others are compared with.
#define NQ_TARGET

// SSE2 multiplies pairs of int16, which compilers find in plain loops; it has no 32-bit product, which NEON has.
#if defined(__SSE2__) && !defined(NQ_PORTABLE_VECTORS)
#include "synthesis/baseline.h"
#else
#include "synthesis/portable.h"
#endif

#include "synthesis/conv_kernels.h"
#include "synthesis/map_kernels.h"

const nq::ConvKernels& nq::scalar_kernels() { return kKernels; }
const nq::MapKernels& nq::scalar_map_kernels() { return kMapKernels; }
