// Kernels of every operation but convolutions, without instructions of their own: what every machine runs, and what the
// others are compared with.
#include "synthesis/scalar.h"

#include "synthesis/map_kernels.h"  // needs the vectors before it

const nq::MapKernels& nq::scalar_map_kernels() { return kMapKernels; }
