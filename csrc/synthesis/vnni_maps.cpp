// Kernels of every operation but convolutions, for AVX-512 with VNNI, called only where the CPU has it.
#if defined(__x86_64__)

#include "synthesis/vnni_dot.h"

#include "synthesis/map_kernels.h"  // needs the vectors before it

const nq::MapKernels& nq::vnni_map_kernels() { return kMapKernels; }

#endif  // __x86_64__
