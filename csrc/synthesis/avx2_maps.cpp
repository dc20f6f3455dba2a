// Kernels of every operation but convolutions, for AVX2, called only where the CPU has it.
#if defined(__x86_64__)

#include "synthesis/avx2.h"

#include "synthesis/map_kernels.h"  // needs the vectors before it

const nq::MapKernels& nq::avx2_map_kernels() { return kMapKernels; }

#endif  // __x86_64__
