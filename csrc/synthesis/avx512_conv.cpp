// Kernels of convolutions for AVX-512 (F and BW), called only where the CPU has both.
#if defined(__x86_64__)

#include "synthesis/avx512_dot.h"

#include "synthesis/conv_kernels.h"  // needs the vectors before it

const nq::ConvKernels& nq::avx512_kernels() { return kKernels; }

#endif  // __x86_64__
