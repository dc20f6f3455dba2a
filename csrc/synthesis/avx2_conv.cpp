// Kernels of convolutions for AVX2, called only where the CPU has it.
#if defined(__x86_64__)

#include "synthesis/avx2.h"

#include "synthesis/conv_kernels.h"  // needs the vectors before it

const nq::ConvKernels& nq::avx2_kernels() { return kKernels; }

#endif  // __x86_64__
