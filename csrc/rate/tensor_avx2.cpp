// Kernels of a fit's tensors for AVX2 and FMA, called only where the CPU has them.
#if defined(__x86_64__)

#include <immintrin.h>

#include <cstdint>

#define NQ_TARGET __attribute__((target("avx2,fma")))
#define NQ_FMA(a, b, c) ((Vec)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))

namespace nq {
namespace {

constexpr int32_t kLanes = 8;

}  // namespace
}  // namespace nq

#include "rate/tensor_kernels.h"

const nq::TensorKernels& nq::avx2_tensor_kernels() { return kTensorKernels; }

#endif  // __x86_64__
