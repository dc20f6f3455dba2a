// Kernels of convolutions for AVX-512 with VNNI, called only where the CPU has it.
#if defined(__x86_64__)

#include "synthesis/vnni_dot.h"

#include "synthesis/conv_kernels.h"  // needs the vectors before it

const nq::ConvKernels& nq::vnni_kernels() { return kKernels; }

#endif  // __x86_64__
