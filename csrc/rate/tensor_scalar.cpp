// Kernels of a fit's tensors for what every machine has: vectors of 128 bits, or the compiler's own way of doing
// without.
#include <cstdint>

#define NQ_TARGET
#define NQ_FMA(a, b, c) ((a) * (b) + (c))

namespace nq {
namespace {

constexpr int32_t kLanes = 4;

}  // namespace
}  // namespace nq

#include "rate/tensor_kernels.h"

const nq::TensorKernels& nq::scalar_tensor_kernels() { return kTensorKernels; }
