// Kernels of every operation but convolutions, for AVX-512 (F and BW), called only where the CPU has both.
#if defined(__x86_64__)

#include "synthesis/avx512_dot.h"

#include "synthesis/map_kernels.h"  // needs the vectors before it

const nq::MapKernels& nq::avx512_map_kernels() { return kMapKernels; }

#endif  // __x86_64__
