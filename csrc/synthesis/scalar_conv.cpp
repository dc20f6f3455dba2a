// Kernels of convolutions without instructions of their own: what every machine runs, and what the others are compared
// with.
#include "synthesis/scalar.h"

#include "synthesis/conv_kernels.h"  // needs the vectors before it

const nq::ConvKernels& nq::scalar_kernels() { return kKernels; }
