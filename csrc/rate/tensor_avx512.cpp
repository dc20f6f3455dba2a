// Kernels of a fit's tensors for AVX-512 (F), called only where the CPU has it.
#if defined(__x86_64__)

#include <immintrin.h>

#include <cstdint>

#define NQ_TARGET __attribute__((target("avx512f")))
#define NQ_FMA(a, b, c) ((Vec)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))

namespace nq {
namespace {

constexpr int32_t kLanes = 16;

}  // namespace
}  // namespace nq

#include "rate/tensor_kernels.h"

const nq::TensorKernels& nq::avx512_tensor_kernels() { return kTensorKernels; }

#endif  // __x86_64__
